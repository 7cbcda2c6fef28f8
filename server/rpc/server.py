"""The gRPC server around the servicer: port, health, reflection, and an orderly end."""

import asyncio

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server.errors import StartError
from server.rpc.gate import Gate
from server.rpc.health import SERVICE_NAME, HealthServicer
from server.rpc.readable import refusing_unreadable
from server.rpc.servicer import PredictionServicer
from server.service import PredictionService

_HEALTH_NAME = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

# A request of 1,000 tracks and 200 recent plays, each of 200 four-byte characters, is just below 1 MB.
MAX_REQUEST_BYTES = 2 << 20

_OPTIONS = (
    # gRPC's core cancels calls at random once 1,000 wait for a handler, with no reason given. Wait instead.
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 20_000),
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
    # Finds peers that have gone without a word, and lets clients do so, calls or none.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


class RpcServer:
    """Listens on a port, answers the contract, health checks and reflection."""

    def __init__(self, service: PredictionService, gate: Gate, *, share_port: bool = False) -> None:
        """Registers the servicers; `start` opens the port.

        Args:
            service: Answers the calls.
            gate: Lets the calls in.
            share_port: Whether other workers listen on the same port. Without that, SO_REUSEPORT would let a
                second server share a busy port silently, and take half of the calls.
        """
        self._service = service
        server = grpc.aio.server(options=(*_OPTIONS, ("grpc.so_reuseport", int(share_port))))
        self._server = refusing_unreadable(server)
        self._health = HealthServicer()
        self._servicer = PredictionServicer(service, gate)
        pb_grpc.add_PredictionServiceServicer_to_server(self._servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE_NAME, _HEALTH_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    async def start(self, host: str, port: int) -> str:
        """Opens the port, 0 for a free one, and reports healthy; returns the address as HOST:PORT.

        Raises:
            StartError: When the port is taken or the address is not this machine's.
        """
        shown = f"[{host}]" if ":" in host else host
        try:
            bound = self._server.add_insecure_port(f"{shown}:{port}")
        except RuntimeError:
            bound = 0
        if bound == 0:
            raise StartError(f"cannot listen on {shown}:{port}")
        await self._server.start()
        self._health.set({"": True, SERVICE_NAME: True})
        self.follow_models()
        return f"{shown}:{bound}"

    async def stop(self, grace_s: float) -> None:
        """Reports unhealthy, then refuses new calls and gives those in flight `grace_s` seconds to finish.

        Cancelled, it ends at once those that are left.
        """
        self._health.drain()
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
