"""What a column's values are held to: a JSON type, a range, known values, a format.

Each rule is declared once and checked in two places: msgspec checks whole lines by `Column.annotation`, fast
and with no word on what is wrong; a line that it refuses is looked at again, value by value, by `value_of`.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from msgspec import Meta

_INT64 = range(-(1 << 63), 1 << 63)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

SENTINELS = (-1, "-1", "null", "None", "nan", "NaN")
"""What stands in columns of ids where the id was lost."""


@dataclass(eq=False)
class LineError(Exception):
    """One line, or one value in it, that cannot be used."""

    rule: str
    problem: str
    column: str | None = None
    value: Any = None


@dataclass(frozen=True)
class Kind:
    """How the values of a column are written in JSON, and kept in a table.

    Attributes:
        json_name: What messages call it.
        json_types: Python's types for it.
        annotation: The type that msgspec decodes.
        dtype: The pandas dtype of a column without nulls.
    """

    json_name: str
    json_types: tuple[type, ...]
    annotation: Any
    dtype: str


TEXT = Kind("a string", (str,), str, "str")
WHOLE = Kind("a whole number", (int,), int, "int64")
# JSON knows no int/float split: a whole number is a fine float, not the reverse.
NUMBER = Kind("a number", (int, float), float, "float64")
FLAG = Kind("true or false", (bool,), bool, "bool")
TEXTS = Kind("a list of strings", (list,), list[str], "object")
# Other programs' ids are opaque: whole numbers or texts, even within one file. Tables hold them as texts.
_ID = Annotated[int, Meta(ge=0, le=_INT64[-1])] | Annotated[str, Meta(min_length=1)]
ID = Kind("a whole number or a string", (int, str), _ID, "str")
TIME = Kind("an ISO 8601 time", (str,), str, "datetime64[us]")


@dataclass(frozen=True)
class ValueRule:
    """One thing that a column's values are held to, beyond their type.

    Attributes:
        name: The rule's name in reports.
        text: How messages write it.
        holds: Returns whether a value of the column's type keeps it.
        annotate: Returns a msgspec type narrowed to the values that keep it.
    """

    name: str
    text: str
    holds: Callable[[Any], bool]
    annotate: Callable[[Any], Any]


def between(lowest: float, highest: float) -> ValueRule:
    """Returns the rule that a number lies in a closed range."""
    text = f"in_range({lowest}, {highest})"
    return _range(text, lambda value: lowest <= value <= highest, Meta(ge=lowest, le=highest))


def above(bound: int) -> ValueRule:
    """Returns the rule that a whole number is above a bound."""
    meta = Meta(gt=bound, le=_INT64[-1])
    return _range(f"greater_than({bound})", lambda value: value > bound, meta)


def _range(text: str, holds: Callable[[Any], bool], meta: Meta) -> ValueRule:
    return ValueRule("out-of-range", text, holds, lambda kind: Annotated[kind, meta])


def one_of(*known: Any) -> ValueRule:
    """Returns the rule that a value is one of the known ones."""
    return ValueRule("not-allowed", f"isin({list(known)})", known.__contains__, lambda _: Literal[known])


def matching(pattern: str) -> ValueRule:
    """Returns the rule that a text has a format."""
    meta = Meta(pattern=pattern)
    return ValueRule(
        "bad-format",
        f"str_matches({pattern!r})",
        lambda value: re.search(pattern, value) is not None,
        lambda kind: Annotated[kind, meta],
    )


NOT_EMPTY = ValueRule(
    "empty",
    "str_length(1, None)",
    lambda value: value != "",
    lambda kind: kind if kind is _ID else Annotated[kind, Meta(min_length=1)],
)
# A pattern would cost the decoder more than all the rest of a line: `lines` looks for placeholders itself.
NOT_LOST = ValueRule(
    "sentinel", f"notin({list(SENTINELS)})", lambda value: value not in SENTINELS, lambda kind: kind
)


NOT_BELOW_0 = ValueRule(
    "out-of-range",
    "greater_than_or_equal_to(0)",
    lambda value: isinstance(value, str) or value >= 0,
    lambda kind: kind,
)


@dataclass(frozen=True)
class Column:
    """One column: its kind, the rules for its values, gravest first, and whether each is there once."""

    name: str
    kind: Kind
    rules: tuple[ValueRule, ...] = ()
    is_unique: bool = False

    @property
    def is_identifier(self) -> bool:
        """Returns whether the column holds ids, in whose place a sentinel may stand."""
        return NOT_LOST in self.rules

    @property
    def annotation(self) -> Any:
        """Returns the msgspec type of the values that keep all rules but `NOT_LOST`."""
        annotation = self.kind.annotation
        for rule in self.rules:
            annotation = rule.annotate(annotation)
        return annotation


def value_of(record: dict[str, Any], column: Column) -> Any:
    """Returns a record's value in a column.

    Raises:
        LineError: It is missing, null, of another type than the column's, or breaks a rule: the first alone.
    """
    if column.name not in record:
        raise LineError("missing-field", "missing", column.name)
    value, kind = record[column.name], column.kind
    if value is None:
        raise LineError("null", f"null, expected {kind.json_name}", column.name)
    if not _fits(kind, value):
        rule = "sentinel" if column.is_identifier and value in SENTINELS else "wrong-type"
        if isinstance(value, float) and not math.isfinite(value):
            rule = "not-finite"
        raise LineError(rule, f"expected {kind.json_name}, got {shown(value)}", column.name, value)
    for broken in column.rules:
        if not broken.holds(value):
            raise LineError(broken.name, f"{value!r} breaks the rule {broken.text}", column.name, value)
    return value


def _fits(kind: Kind, value: Any) -> bool:
    # bool is an int to Python, never to JSON.
    if not isinstance(value, kind.json_types) or (isinstance(value, bool) and bool not in kind.json_types):
        return False
    if isinstance(value, list):
        return all(isinstance(item, str) and not _LONE_SURROGATE.search(item) for item in value)
    if isinstance(value, str):
        return not _LONE_SURROGATE.search(value)
    if isinstance(value, float):
        return math.isfinite(value)  # 1e999 is none
    return value in _INT64


def shown(value: Any) -> str:
    """Returns a value as JSON, cut short, for a message."""
    text = json.dumps(value, ensure_ascii=bool(_LONE_SURROGATE.search(str(value))))
    return text if len(text) <= 60 else f"{text[:57]}…"
