"""The gRPC server around the servicer: port, health, reflection, and an orderly end."""

import asyncio

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server.rpc.channel_options import ConnectionLimits, channel_options
from server.rpc.gate import Gate
from server.rpc.health import SERVICE_NAME, HealthServicer
from server.rpc.listening_port import open_port
from server.rpc.readable import refusing_unreadable
from server.rpc.security import ReflectionServicer, Security
from server.rpc.servicer import PredictionServicer
from server.service import PredictionService

_HEALTH_NAME = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

# 1,000 tracks, 200 recent plays and 100 genres, each of 200 four-byte characters, are just above 1 MB. More
# would only buy time: a message is parsed on the event loop, see benchmarks/worst_request.py.
MAX_REQUEST_BYTES = 1_200_000


class RpcServer:
    """Listens on a port, answers the contract, health checks and reflection."""

    def __init__(
        self,
        service: PredictionService,
        gate: Gate,
        security: Security,
        health: HealthServicer,
        limits: ConnectionLimits,
        *,
        share_port: bool = False,
    ) -> None:
        """Registers the servicers; `start` opens the port.

        Args:
            service: Answers the calls.
            gate: Lets the calls in.
            security: Has the port's credentials, and knows who may use reflection.
            health: Answers health checks here too, and is told of what serves.
            limits: What a peer may have before it makes a call.
            share_port: Whether other workers listen on the same port.
        """
        self._service = service
        self._security = security
        options = channel_options(limits, share_port=share_port)
        server = grpc.aio.server(options=(*options, ("grpc.max_receive_message_length", MAX_REQUEST_BYTES)))
        self._server = refusing_unreadable(server)
        self._health = health
        self._servicer = PredictionServicer(service, gate)
        pb_grpc.add_PredictionServiceServicer_to_server(self._servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE_NAME, _HEALTH_NAME, reflection.SERVICE_NAME)
        describer = ReflectionServicer(names, security)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(  # type: ignore[no-untyped-call]
            describer, self._server
        )

    async def start(self, host: str, port: int) -> str:
        """Opens the port, 0 for a free one, and reports healthy; returns the address as HOST:PORT.

        Raises:
            StartError: When the port is taken or the address is not this machine's.
        """
        address = open_port(self._add_port, host, port)
        await self._server.start()
        self._health.set({SERVICE_NAME: True})
        self.follow_models()
        return address

    def _add_port(self, address: str) -> int:
        credentials = self._security.credentials()
        if credentials is None:
            return self._server.add_insecure_port(address)
        return self._server.add_secure_port(address, credentials)

    def drain(self) -> None:
        """Reports that it does not serve, and answers on."""
        self._health.drain()

    async def stop(self, grace_s: float) -> None:
        """Refuses new calls and gives those in flight `grace_s` seconds to finish.

        Cancelled, it ends at once those that are left.
        """
        self._health.end_watches()
        try:
            await self._server.stop(grace_s)
        except asyncio.CancelledError:
            await self._server.stop(None)
            raise
        finally:
            await asyncio.to_thread(self._servicer.close)

    def follow_models(self) -> None:
        """Reports the health of each model of the service's library as `SERVICE/MODEL`."""
        models = self._service.library.health()
        self._health.set({f"{SERVICE_NAME}/{name}": serves for name, serves in models.items()})
