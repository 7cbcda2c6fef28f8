"""What no client would send: not HTTP/2, not gRPC, or lengths and bodies that lie."""

import gzip
import struct
from collections.abc import Iterator
from itertools import repeat

from tests.server.hostile.frames import Call, Calls, begin, data, hello, raw

_LARGEST_FRAME = 16_384
_BOMB_BYTES = 32 << 20
# TLS 1.2 record, handshake, ClientHello of 512 bytes: what `https://` would begin with.
_CLIENT_HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(507)


def http1(calls: Calls) -> Iterator[bytes]:
    """Speaks HTTP/1.1."""
    yield b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def tls(calls: Calls) -> Iterator[bytes]:
    """Begins a TLS handshake."""
    yield _CLIENT_HELLO


def noise(calls: Calls) -> Iterator[bytes]:
    """Sends bytes that mean nothing."""
    yield from repeat(bytes(range(256)) * 16)


def oversize_frame(calls: Calls) -> Iterator[bytes]:
    """Sends a frame larger than the server has allowed."""
    yield hello() + begin(1, calls.small.headers())
    yield raw(0x0, 0, 1, bytes(1 << 20), (1 << 24) - 1)
    yield from repeat(bytes(1 << 16))


def wrong_content_length(calls: Calls) -> Iterator[bytes]:
    """Makes calls that announce another length than they have."""
    yield hello()
    for stream in range(1, 200, 2):
        yield calls.small.whole(stream, ("content-length", str(2**40)))


def huge_message(calls: Calls) -> Iterator[bytes]:
    """Announces messages of 2 GB, and sends on and on."""
    yield hello()
    body = Call(calls.small.path, bytes(_LARGEST_FRAME - 5)).body(claimed_bytes=2**31)
    for stream in range(1, 200, 2):
        yield begin(stream, calls.small.headers()) + data(stream, body)
        yield data(stream, bytes(_LARGEST_FRAME)) * 3


def gzip_bomb(calls: Calls) -> Iterator[bytes]:
    """Makes calls whose compressed messages, of 32 KB, are 32 MB."""
    message = gzip.compress(bytes(_BOMB_BYTES), 9)
    body = struct.pack(">BI", 1, len(message)) + message
    yield hello()
    for stream in range(1, 60, 2):
        yield begin(stream, calls.small.headers(("grpc-encoding", "gzip")))
        for at in range(0, len(body), _LARGEST_FRAME):
            last = at + _LARGEST_FRAME >= len(body)
            yield data(stream, body[at : at + _LARGEST_FRAME], *(["END_STREAM"] if last else []))


def bad_messages(calls: Calls) -> Iterator[bytes]:
    """Makes calls whose messages are not the contract's."""
    broken = Call(calls.small.path, b"\xff" * 1_000)
    yield hello()
    for stream in range(1, 200, 2):
        yield broken.whole(stream)


def unknown_methods(calls: Calls) -> Iterator[bytes]:
    """Calls methods that do not exist, each with another name."""
    yield hello()
    for stream in range(1, 20_000, 2):
        yield Call(f"/hostile.Service/Method{stream}", b"").whole(stream)
