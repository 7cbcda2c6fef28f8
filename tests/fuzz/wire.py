"""Breaks a message's bytes: cut off, bits turned, fields unknown, of wrong types, nested, far too long."""

from collections.abc import Callable
from random import Random

_END_OF_VARINT = b"\x01"
_PIECES = (
    b"", b"\x00", b"\xff", b"\x80" * 9 + _END_OF_VARINT, b"\x80" * 30, b"\xff" * 9 + _END_OF_VARINT,
    b"\x0a\xff\xff\xff\xff\x0f",  # a length of 4 GB
    b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x0b" * 150, b"\x0b\x0c", b"\x0c", b"\x0f", b"\x07",
    b"\x0a\x02\xc0\x80", b"\x0a\x03\xed\xa0\x80",  # an overlong zero and a surrogate for a text
    b"\xfa\xff\xff\xff\x0f\x03abc", b"\xf8\xff\xff\xff\x0f\x01", b"\xf9\xff\xff\xff\x0f" + b"\x00" * 8,
)  # fmt: skip
"""What to put in: varints without end, wrong lengths, groups, no UTF-8, fields of the highest number."""


def broken(random: Random, content: bytes) -> bytes:
    """Returns a message's bytes with one to three things done to them."""
    for _ in range(random.choice((1, 1, 2, 3))):
        content = random.choice(_BREAKAGES)(random, content)
    return content


def _cut(random: Random, content: bytes) -> bytes:
    return content[: random.randint(0, len(content))]


def _turn_bits(random: Random, content: bytes) -> bytes:
    turned = bytearray(content)
    for _ in range(random.randint(1, 4)):
        if turned:
            turned[random.randrange(len(turned))] ^= 1 << random.randrange(8)
    return bytes(turned)


def _retype(random: Random, content: bytes) -> bytes:
    """Gives the first field another wire type, and another number at times."""
    return bytes([random.randrange(1, 256)]) + content[1:]


def _put_in(random: Random, content: bytes) -> bytes:
    at = random.choice((0, len(content), random.randint(0, len(content))))
    return content[:at] + random.choice(_PIECES) + content[at:]


def _put_anything_in(random: Random, content: bytes) -> bytes:
    at = random.randint(0, len(content))
    return content[:at] + random.randbytes(random.randint(1, 16)) + content[at + random.randrange(4) :]


def _repeat(random: Random, content: bytes) -> bytes:
    """Says it again: of single fields the last counts, lists grow, messages merge."""
    at = random.randint(0, len(content))
    return content + content[at:]


def _nest(random: Random, content: bytes) -> bytes:
    """Puts it into fields, one in another."""
    for _ in range(random.choice((1, 5, 120))):
        content = bytes([random.randrange(1, 16) << 3 | 2]) + _varint(len(content)) + content
    return content


def _varint(number: int) -> bytes:
    written = b""
    while number > 0x7F:
        written += bytes([number & 0x7F | 0x80])
        number >>= 7
    return written + bytes([number])


_BREAKAGES: tuple[Callable[[Random, bytes], bytes], ...] = (
    _cut, _turn_bits, _retype, _put_in, _put_anything_in, _repeat, _nest,
)  # fmt: skip
