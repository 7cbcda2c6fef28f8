"""Who makes a call."""

from contextlib import suppress
from contextvars import ContextVar
from functools import lru_cache
from ipaddress import IPv6Network
from typing import Literal, NamedTuple
from urllib.parse import unquote

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


@lru_cache(4_096)  # a connection makes many calls
def peer_caller(peer: str) -> Caller:
    """Returns the caller that only its address tells apart; of an IPv6 one, its network of 64 bits.

    Whoever has one address of such a network has all of them, and would be as many callers as it likes.

    Args:
        peer: As gRPC writes it: "ipv4:127.0.0.1:51234", "ipv6:%5B::1%5D:51234" or "unix:".
    """
    address = peer.rpartition(":")[0] or peer
    if address.startswith("ipv6:"):
        host = unquote(address.removeprefix("ipv6:")).strip("[]").partition("%")[0]
        with suppress(ValueError):
            address = f"ipv6:{IPv6Network((host, 64), strict=False)}"
    return Caller(address, "anonymous")
