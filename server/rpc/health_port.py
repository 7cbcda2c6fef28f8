"""A port that answers `grpc.health.v1` alone: probes speak neither TLS nor tokens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from grpc_health.v1 import health_pb2_grpc

from server.rpc.channel_options import ConnectionLimits, channel_options
from server.rpc.health import HealthServicer
from server.rpc.listening_port import open_port
from server.rpc.readable import refusing_unreadable

MAX_CONNECTIONS = 64
"""Probes need few. Their files are among those that the limit of the other port spares."""

_LIMITS = ConnectionLimits(MAX_CONNECTIONS, max_streams=100, max_age_s=300.0)
_MAX_REQUEST_BYTES = 4096


@asynccontextmanager
async def answering_health(
    health: HealthServicer, host: str, port: int, *, share_port: bool
) -> AsyncIterator[str]:
    """Answers health checks in plaintext for the duration of a block, on the loop that answers calls.

    On that loop, so that one that hangs answers no probe either.

    Args:
        health: Knows the services' status.
        host: Address to listen on.
        port: Port; 0 picks a free one.
        share_port: Whether other workers listen on the same port.

    Yields:
        The address, as HOST:PORT.

    Raises:
        StartError: When the port is taken or the address is not this machine's.
    """
    options = channel_options(_LIMITS, share_port=share_port)
    server = grpc.aio.server(options=(*options, ("grpc.max_receive_message_length", _MAX_REQUEST_BYTES)))
    server = refusing_unreadable(server)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    address = open_port(server.add_insecure_port, host, port)
    await server.start()
    try:
        yield address
    finally:
        health.end_watches()
        await server.stop(None)
