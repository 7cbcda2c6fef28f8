"""One line to a record whose values are of the contract's types."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from data.schema import SENTINELS, Column

_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_INT64 = range(-(1 << 63), 1 << 63)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(eq=False)
class LineError(Exception):
    """One line, or one value in it, that cannot be used."""

    rule: str
    problem: str
    column: str | None = None
    value: Any = None


def parse_line(line: bytes, cut_off: bool = False) -> dict[str, Any]:
    """Parses one line.

    Args:
        line: Its bytes.
        cut_off: The file ends in it, without a line feed.

    Returns:
        The object's fields by name.

    Raises:
        LineError: It is not one JSON object with every key once.
    """
    try:
        record = json.loads(
            line.decode(), object_pairs_hook=_unique
        )  # NaN and Infinity are found by `value_of`
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 (byte {error.start + 1} of the line)"
        if line.startswith(_UTF_16_MARKS):
            problem = "not UTF-8 but UTF-16: save it as plain UTF-8"
        raise LineError("not-utf8", problem) from error
    except json.JSONDecodeError as error:
        cut = ", and the file ends here: cut off?" if cut_off else ""
        what = error.msg.removesuffix(" at")  # some of Python's messages end so, others do not
        raise LineError("not-json", f"not JSON: {what} at character {error.colno}{cut}") from error
    except RecursionError as error:
        raise LineError("not-json", "not JSON: nested too deep") from error
    except ValueError as error:  # Python's bound on the digits of a number
        raise LineError("not-json", "not JSON: a number of too many digits") from error
    if not isinstance(record, dict):
        raise LineError("not-an-object", f"not a JSON object but {_named(record)}")
    return record


def value_of(record: dict[str, Any], column: Column) -> Any:
    """Returns a record's value in a column.

    Raises:
        LineError: It is missing, null, or of another type than the column's.
    """
    if column.name not in record:
        raise LineError("missing-field", "missing", column.name)
    value = record[column.name]
    if value is None:
        raise LineError("null", f"null, expected {column.json_name}", column.name)
    if not _fits(column, value):
        rule = "sentinel" if column.is_identifier and value in SENTINELS else "wrong-type"
        if isinstance(value, float) and not math.isfinite(value):
            rule = "not-finite"
        raise LineError(rule, f"expected {column.json_name}, got {_named(value)}", column.name, value)
    return value


def _fits(column: Column, value: Any) -> bool:
    # bool is an int to Python, never to JSON.
    if not isinstance(value, column.json_types) or (
        isinstance(value, bool) and bool not in column.json_types
    ):
        return False
    if isinstance(value, list):
        return all(isinstance(item, str) and not _LONE_SURROGATE.search(item) for item in value)
    if isinstance(value, str):
        return not _LONE_SURROGATE.search(value)
    if isinstance(value, float):
        return math.isfinite(value)  # 1e999 is none
    return value in _INT64


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise LineError("duplicate-key", "there more than once in the line", twice)
    return record


def _named(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=bool(_LONE_SURROGATE.search(str(value))))
    return text if len(text) <= 60 else f"{text[:57]}…"
