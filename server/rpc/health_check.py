"""Asks a running server how it is."""

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from server.errors import ServerError
from server.rpc.server import SERVICE_NAME


async def check_health(target: str, timeout_s: float) -> str:
    """Asks `grpc.health.v1` of a server.

    Args:
        target: The server, as HOST:PORT.
        timeout_s: How long to wait for its answer, in seconds.

    Returns:
        The status of the prediction service: "SERVING", "NOT_SERVING", …

    Raises:
        ServerError: When the server does not answer in time.
    """
    request = health_pb2.HealthCheckRequest(service=SERVICE_NAME)
    async with grpc.aio.insecure_channel(target) as channel:
        try:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = await stub.Check(request, timeout=timeout_s)  # type: ignore[attr-defined]  # stubs lag
        except grpc.aio.AioRpcError as error:
            raise ServerError(f"no answer from {target}: {error.code().name}") from error
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
