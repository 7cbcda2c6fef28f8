"""Who makes a call."""

from contextvars import ContextVar
from typing import Literal, NamedTuple

CallerKind = Literal["anonymous", "token", "certificate"]


class Caller(NamedTuple):
    """Who makes a call.

    Attributes:
        name: Tells one caller from another: what its token or certificate names, else its address.
        kind: What its name comes from; an address makes it "anonymous".
    """

    name: str
    kind: CallerKind


CALLER: ContextVar[Caller] = ContextVar("caller")
"""Who makes the call that this task answers; the gate sets it."""


def peer_caller(peer: str) -> Caller:
    """Returns the caller that only its address tells apart.

    Args:
        peer: As gRPC writes it: "ipv4:127.0.0.1:51234", "ipv6:%5B::1%5D:51234" or "unix:".
    """
    return Caller(peer.rpartition(":")[0] or peer, "anonymous")
