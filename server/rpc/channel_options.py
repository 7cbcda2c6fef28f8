"""What gRPC's core is told of connections: how much a peer may have, and for how long."""

import resource
from dataclasses import dataclass

# Longer than any call takes, the client library's deadline of 5 s included.
AGE_GRACE_MS = 10_000
# A client's preface takes two round trips, with TLS four; gRPC's own limit is two minutes.
HANDSHAKE_TIMEOUT_MS = 10_000
# File descriptors for all else: spool, models, metrics, and the loop's own.
SPARE_DESCRIPTORS = 256

_ALWAYS = (
    # gRPC's core cancels calls at random once 1,000 wait for a handler, with no reason given. Wait instead.
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 20_000),
    # Finds peers that have gone without a word, calls or none.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Answers every ping. The core's way to end a connection that pings too often costs it the square of the
    # pings that it has read and not yet answered: 3 MB of them keep a core busy for seconds.
    ("grpc.http2.max_ping_strikes", 0),
)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What the peers of one worker may have.

    Attributes:
        max_connections: Connections at once; fewer where the process may not open as many files.
        max_streams: Calls under way on one of them. gRPC's core counts a cancelled one until it is
            cleared away, which is what stops a rapid reset.
        max_age_s: How long a connection may last, in seconds, give or take a tenth; 0 for ever.
    """

    max_connections: int
    max_streams: int
    max_age_s: float


def channel_options(limits: ConnectionLimits, *, share_port: bool) -> tuple[tuple[str, int], ...]:
    """Returns the options of a server.

    Args:
        limits: What its peers may have.
        share_port: Whether other workers listen on the same port. Without that, SO_REUSEPORT would let a
            second server share a busy port silently, and take half of the calls.
    """
    options = [
        *_ALWAYS,
        ("grpc.so_reuseport", int(share_port)),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_TIMEOUT_MS),
        ("grpc.max_allowed_incoming_connections", _room_for(limits.max_connections)),
        ("grpc.max_concurrent_streams", limits.max_streams),
    ]
    if limits.max_age_s > 0:
        # Ends what neither goes on nor hangs up; and who stays for long meets all workers, and new pods.
        options.append(("grpc.max_connection_age_ms", max(1, round(limits.max_age_s * 1000))))
        options.append(("grpc.max_connection_age_grace_ms", AGE_GRACE_MS))
    return tuple(options)


def _room_for(connections: int) -> int:
    """Returns how many connections leave the process the files that it needs for all else.

    Without any left, the spool could not be written, and new connections would hang rather than be refused.
    """
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return connections
    return min(connections, max(files - SPARE_DESCRIPTORS, files // 2))
