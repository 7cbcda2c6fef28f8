"""Our server with gRPC's own defaults about connections.

Not a benchmark itself: `benchmarks/hostile.py` starts it, and compares it with our server.
"""

from unittest import mock

from data import terminal
from server.cli import app
from server.rpc.channel_options import ConnectionLimits

_GRPC_MAX_REQUEST_BYTES = 4 << 20


def _defaults(_limits: ConnectionLimits, *, share_port: bool) -> tuple[tuple[str, int], ...]:
    return (("grpc.so_reuseport", int(share_port)),)


if __name__ == "__main__":
    with (
        mock.patch("server.rpc.server.channel_options", _defaults),
        mock.patch("server.rpc.server.MAX_REQUEST_BYTES", _GRPC_MAX_REQUEST_BYTES),
    ):
        terminal.run(app)
