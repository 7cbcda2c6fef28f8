"""`grpc.health.v1`: answered by the server, and asked of one."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from playthrough.v1 import prediction_service_pb2 as pb
from server.errors import ServiceError
from server.rpc.errors import Context, abort
from server.rpc.readable import unreadable

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["PredictionService"].full_name
LIVENESS = ""
"""The name that asks whether the process lives, as a liveness probe does; any other is about its calls."""

_Response = health_pb2.HealthCheckResponse


class HealthServicer(health_pb2_grpc.HealthServicer):
    """Knows the status of every service by name; "" is the process itself, which lives until its end.

    The servicer of grpcio-health-checking keeps its Watch streams open to the end: a server with one client
    that watches, as gRPC's own clients do, would take its whole grace period to stop.
    """

    def __init__(self) -> None:
        """Starts with a process that lives, and a service that does not serve yet."""
        self._serves = {LIVENESS: True, SERVICE_NAME: False}
        self._draining = False
        self._ending = False
        self._changed = asyncio.Event()

    def set(self, serves: Mapping[str, bool]) -> None:
        """Changes which services serve, and notifies those who watch; does nothing any more after `drain`."""
        if not self._draining:
            self._serves |= serves
            self._notify()

    def drain(self) -> None:
        """Turns every service to NOT_SERVING for good, but not the process: it is not to be killed."""
        self._draining = True
        self._serves = {name: name == LIVENESS for name in self._serves}
        self._notify()

    def end_watches(self) -> None:
        """Ends the streams of those who watch. Not before the port closes: a client would watch again."""
        self._ending = True
        self._notify()

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> _Response:
        """Returns a service's status; NOT_FOUND for one that is not known."""
        if request is None:
            await abort(context, unreadable())
        if request.service not in self._serves:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return _Response(status=self._status(request.service))

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> None:
        """Streams a service's status, at once and whenever it changes, until the server ends."""
        if request is None:
            await abort(context, unreadable())
        sent: int | None = None
        while True:
            changed = self._changed  # before the look: what changes while it is sent is not missed
            status = self._status(request.service)
            if status != sent:
                await context.write(_Response(status=status))
                sent = status
            if self._ending and changed is self._changed:
                return
            await changed.wait()

    def _status(self, service: str) -> int:
        serves = self._serves.get(service)
        if serves is None:
            return _Response.SERVICE_UNKNOWN
        return _Response.SERVING if serves else _Response.NOT_SERVING

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


async def check_health(
    target: str,
    timeout_s: float,
    ca: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
) -> str:
    """Asks a running server for its health.

    Args:
        target: The server, as HOST:PORT.
        timeout_s: How long to wait for its answer, in seconds.
        ca: The authorities of its certificate; plain text without this and the two that follow.
        certificate: The certificate to show to one that asks.
        key: Its private key.

    Returns:
        The status of the prediction service: "SERVING", "NOT_SERVING", …

    Raises:
        ServiceError: When a file cannot be read, of certificate and key one is missing, or the server does
            not answer in time.
    """
    request = health_pb2.HealthCheckRequest(service=SERVICE_NAME)
    async with _channel(target, ca, certificate, key) as channel:
        try:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = await stub.Check(request, timeout=timeout_s)  # type: ignore[attr-defined]  # stubs lag
        except grpc.aio.AioRpcError as error:
            raise ServiceError(f"no answer from {target}: {error.code().name}") from error
    return str(_Response.ServingStatus.Name(answer.status))


def _channel(target: str, *files: Path | None) -> grpc.aio.Channel:
    if not any(files):
        return grpc.aio.insecure_channel(target)
    try:
        ca, certificate, key = (None if path is None else path.read_bytes() for path in files)
    except OSError as error:
        raise ServiceError(f"cannot read {error.filename}: {error.strerror}") from error
    if (certificate is None) != (key is None):  # gRPC's core would end the process
        raise ServiceError("--tls-cert and --tls-key go together")
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(ca, key, certificate))
