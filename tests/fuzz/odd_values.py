"""Values at which software breaks, of every type that a message can hold."""

import math
import sys
from types import ModuleType

from playthrough.v1 import limits


def _limits(module: ModuleType) -> list[float]:
    """Returns all numbers among a module's constants."""
    numbers: list[float] = []
    for name, value in vars(module).items():
        if name.isupper():
            numbers += value if isinstance(value, tuple) else (value,)
    return numbers


LIMITS = _limits(limits)
"""Every limit of the contract, also those that a later release adds."""

SIZES = sorted({int(limit) for limit in LIMITS if 1 < limit <= 1_000})
"""Limits that may be one of a list's length, and are short enough to be tried."""

ODD_INTEGERS = sorted(
    {around for limit in LIMITS for around in (int(limit) - 1, int(limit), int(limit) + 1)}
    | {
        sign * (1 << bits) + off
        for bits in (7, 15, 31, 32, 53, 63, 64)
        for sign in (1, -1)
        for off in (-1, 0, 1)
    }
    | {-1, 0, 1}
)
"""What a field's type cannot hold has to be left out."""

ODD_FLOATS = [
    *LIMITS,
    *(math.nextafter(limit, towards) for limit in LIMITS for towards in (-math.inf, math.inf)),
    *map(float, ODD_INTEGERS),
    math.nan, -math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, -5e-324, 1e-310, sys.float_info.min,
    sys.float_info.epsilon, sys.float_info.max, -sys.float_info.max, 3.4028235e38, 1e-45, 1e-9, 0.1, 0.5,
]  # fmt: skip

_CHARACTERS = (
    "a\0\n\r\t\x1b\x7f\x85\xad\u200b\u202e\u2028\ufeff\ufffe\ufffdשŻßİǅﷺ\u0301\U0001f3b5\U000e0001\U0010ffff"
)
_LENGTHS = (limits.MAX_STRING_LENGTH - 1, limits.MAX_STRING_LENGTH, limits.MAX_STRING_LENGTH + 1)

ODD_TEXTS: list[str] = [
    "", " ", "null", "%s%n%x", "{0}{self.__class__}", "${jndi:x}", "$where", "a.b", "../../../etc/passwd",
    "'; DROP TABLE predictions; --", "<script>", "\\ud800", "e\u0301" * 50, "\u202eabc\u202c", "שלום עולם",
    "🎵👩\u200d👩\u200d👧", "1e999", "-0", "NaN", "True", "0" * 24, "f" * 24,
    *_CHARACTERS,
    *(f"rock{character}pop" for character in _CHARACTERS),
    *(character * length for character in _CHARACTERS for length in _LENGTHS),
    "z" * 10_000,
]  # fmt: skip
"""Characters that control, hide, run from right to left, have four bytes, grow in lower case; all lengths."""
