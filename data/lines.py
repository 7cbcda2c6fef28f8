"""A file to blocks of whole lines, and one line to a record whose values are of the contract's types."""

import hashlib
import json
import math
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import DataError, reason
from data.faults import FaultLog
from data.schema import SENTINELS, Column

BLOCK_BYTES = 1 << 20
MAX_LINE_BYTES = 4 << 20
"""Longest line accepted, so that a file without line ends is not held in memory whole."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_INT64 = range(-(1 << 63), 1 << 63)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Block:
    """Whole lines of a file.

    Attributes:
        first_line: Number of the first, from 1.
        data: Their bytes; ends in a line feed even where the file does not.
        n_lines: How many there are.
        cut_off: The file ends in the last line, without a line feed.
    """

    first_line: int
    data: bytes
    n_lines: int
    cut_off: bool = False

    def halves(self) -> "tuple[Block, Block] | None":
        """Returns two blocks of about half the bytes each, or None when one of them would be empty."""
        cut = self.data.find(b"\n", len(self.data) // 2) + 1
        if cut == len(self.data):
            cut = self.data.rfind(b"\n", 0, len(self.data) // 2) + 1
        if not 0 < cut < len(self.data):
            return None
        n_first = self.data.count(b"\n", 0, cut)
        first = Block(self.first_line, self.data[:cut], n_first)
        second = Block(
            self.first_line + n_first, self.data[cut:], self.n_lines - n_first, cut_off=self.cut_off
        )
        return first, second


@dataclass(eq=False)
class LineError(Exception):
    """One line, or one value in it, that cannot be used."""

    rule: str
    problem: str
    column: str | None = None
    value: Any = None


def blocks(path: Path, log: FaultLog, hasher: "hashlib._Hash") -> Iterator[Block]:
    """Yields a file's lines in blocks of about `BLOCK_BYTES`, leaving out lines over `MAX_LINE_BYTES`.

    Args:
        path: The file.
        log: Is told of lines too long, of a byte order mark (which is left out) and of CR LF line ends.
        hasher: Is updated with the file's bytes.

    Yields:
        Blocks in file order.

    Raises:
        DataError: The file cannot be read.
    """
    rest, number, overlong, has_crlf = b"", 1, False, False
    for chunk in _chunks(path, log, hasher):
        end = chunk.find(b"\n")
        if not overlong and len(rest) + (len(chunk) if end < 0 else end) > MAX_LINE_BYTES:
            log.add("line-too-long", number, f"the line is longer than {MAX_LINE_BYTES >> 20} MiB")
            rest, overlong = b"", True
        if overlong:
            if end < 0:
                continue
            chunk, number, overlong = chunk[end + 1 :], number + 1, False
        cut = chunk.rfind(b"\n") + 1
        if cut:
            data = rest + chunk[:cut]
            n_lines = data.count(b"\n")
            # A lone \r is looked for first: that is seventy times faster.
            if not has_crlf and b"\r" in data and (crlf := data.find(b"\r\n")) >= 0:
                has_crlf = True
                log.add("crlf", number + data.count(b"\n", 0, crlf), "lines end in CR LF")
            yield Block(number, data, n_lines)
            rest, number = chunk[cut:], number + n_lines
        else:
            rest += chunk
    if rest:
        yield Block(number, rest + b"\n", 1, cut_off=True)


def _chunks(path: Path, log: FaultLog, hasher: "hashlib._Hash") -> Iterator[bytes]:
    """Yields a file's bytes, without a byte order mark."""
    try:
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
            raise OSError("a pipe or a device, not a file")  # it might never end, or never begin
        with path.open("rb") as file:
            first = True
            while chunk := file.read(BLOCK_BYTES):
                hasher.update(chunk)
                if first and chunk.startswith(_BYTE_ORDER_MARK):
                    log.add("byte-order-mark", 1, "begins with a byte order mark: save it as plain UTF-8")
                    chunk = chunk[len(_BYTE_ORDER_MARK) :]
                first = False
                yield chunk
    except OSError as error:
        raise DataError(path, None, None, reason(error)) from error


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
