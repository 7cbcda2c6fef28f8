"""Connections that do nothing, or next to nothing, and stay."""

from collections.abc import Iterator

from tests.server.hostile.frames import LARGEST_WINDOW, PREFACE, Calls, begin, data, hello, widen

_CALLS = 100


def silent(calls: Calls) -> Iterator[bytes]:
    """Connects and says nothing."""
    yield from ()


def half_preface(calls: Calls) -> Iterator[bytes]:
    """Says half of what a client says first."""
    yield PREFACE[:10]


def no_settings(calls: Calls) -> Iterator[bytes]:
    """Says the magic words, and not the settings that have to follow."""
    yield PREFACE


def idle(calls: Calls) -> Iterator[bytes]:
    """Connects as a client does, and makes no call."""
    yield hello()


def half_body(calls: Calls) -> Iterator[bytes]:
    """Begins calls and sends a part of each request, without an end."""
    body = calls.small.body()
    yield hello()
    for stream in range(1, 2 * _CALLS, 2):
        yield begin(stream, calls.small.headers()) + data(stream, body[: len(body) // 2])


def half_headers(calls: Calls) -> Iterator[bytes]:
    """Sends a part of a frame of headers."""
    frame = begin(1, calls.small.headers())
    yield hello() + frame[: len(frame) // 2]


def zero_window(calls: Calls) -> Iterator[bytes]:
    """Asks for long answers, and allows the server not one byte of them (CVE-2019-9517)."""
    yield hello(INITIAL_WINDOW_SIZE=0)
    for stream in range(1, 2 * _CALLS, 2):
        yield calls.big.whole(stream)


def slow_reader(calls: Calls) -> Iterator[bytes]:
    """Asks for long answers, allows all of each, and takes none off the connection (CVE-2019-9517)."""
    yield hello(INITIAL_WINDOW_SIZE=LARGEST_WINDOW) + widen(0, LARGEST_WINDOW - 65_535)
    for stream in range(1, 2 * _CALLS, 2):
        yield calls.big.whole(stream)


def dribble(calls: Calls) -> Iterator[bytes]:
    """Makes a call byte by byte ("slowloris")."""
    for byte in hello() + calls.small.whole(1):
        yield bytes([byte])
