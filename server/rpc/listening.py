"""The gRPC server around the servicer: port, health, reflection, and an orderly end."""

import socket

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server.errors import StartError
from server.rpc.servicer import PredictionServicer
from server.service import PredictionService

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["PredictionService"].full_name

_OPTIONS = (
    # With SO_REUSEPORT a second server would share a busy port silently, and take half of the calls.
    ("grpc.so_reuseport", 0),
    # gRPC's core cancels calls at random once 1,000 wait for a handler, with no reason given. Wait instead.
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 20_000),
)


class RpcServer:
    """Listens on a port, answers the contract, health checks and reflection."""

    def __init__(self, service: PredictionService) -> None:
        """Puts the parts together; `start` opens the port."""
        self._server = grpc.aio.server(options=_OPTIONS)
        self._health = health.aio.HealthServicer()
        pb_grpc.add_PredictionServiceServicer_to_server(PredictionServicer(service), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    async def start(self, host: str, port: int) -> str:
        """Opens the port and reports healthy.

        Args:
            host: Address to listen on.
            port: Port; 0 picks a free one.

        Returns:
            The address as HOST:PORT.

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
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)
        return f"{shown}:{bound}"

    async def stop(self, grace_s: float) -> None:
        """Reports unhealthy, then refuses new calls and lets those in flight finish.

        Args:
            grace_s: How long they may take, in seconds.
        """
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        await self._server.stop(grace_s)

    async def _set_health(self, status: int) -> None:
        for name in ("", SERVICE_NAME):
            await self._health.set(name, status)


def check_free(host: str, port: int) -> None:
    """Says why a port cannot be opened; gRPC itself writes several lines of its own and does not say.

    Args:
        host: Address to listen on.
        port: Port; 0 is always free.

    Raises:
        StartError: When the port is taken or the address is not this machine's.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except (OSError, UnicodeError) as error:  # the latter for a name that no host can have
        reason = getattr(error, "strerror", None) or error
        raise StartError(f"cannot listen on {host}:{port}: {reason}") from error
