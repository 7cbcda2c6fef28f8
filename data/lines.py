"""A JSONL file line by line: where it is at fault, in words."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from data.errors import DataError
from data.schema import Column, FileContract

MAX_LINE_BYTES = 4 << 20
"""Longest line accepted; also Arrow's block, which must hold a whole line."""

_LARGEST_INTEGER = 2**63 - 1


def line_of_row(path: Path, row: int) -> int:
    """Returns the line (from 1) that holds a row (from 0); blank lines hold none."""
    for seen, (number, _) in enumerate(_lines(path)):
        if seen == row:
            return number
    raise IndexError(row)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yields number and bytes of every line that is not blank.

    Raises:
        DataError: A line is longer than `MAX_LINE_BYTES`.
    """
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise DataError(path, number, None, f"the line is longer than {MAX_LINE_BYTES >> 20} MiB")
            if line.strip():
                yield number, line


def check_lines(path: Path, contract: FileContract) -> None:
    """Checks form and types of line after line, slowly, for an error that names the first one at fault.

    Args:
        path: File to read.
        contract: The file's contract.

    Raises:
        DataError: A line is not one JSON object, or a column is missing, null or of the wrong type.
    """
    for number, line in _lines(path):
        _check_line(path, number, line, contract)


def _check_line(path: Path, number: int, line: bytes, contract: FileContract) -> None:
    record = _record(path, number, line)
    for column in contract.columns.values():
        if column.name not in record:
            raise DataError(path, number, column.name, "missing")
        problem = _type_problem(column, record[column.name])
        if problem is not None:
            raise DataError(path, number, column.name, problem)


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(path, number, twice, "there more than once in the line")
        return record

    def reject(constant: str) -> NoReturn:
        raise DataError(path, number, None, f"{constant} is no JSON")

    try:
        record = json.loads(line.rstrip(b"\r\n"), object_pairs_hook=unique, parse_constant=reject)
    except UnicodeDecodeError as error:
        raise DataError(path, number, None, f"not UTF-8 (byte {error.start + 1} of the line)") from error
    except json.JSONDecodeError as error:
        cut = "" if line.endswith(b"\n") else ", and the file ends here: cut off?"
        raise DataError(
            path, number, None, f"not JSON: {error.msg.removesuffix(' at')} at character {error.colno}{cut}"
        ) from error
    except RecursionError as error:
        raise DataError(path, number, None, "not JSON: nested too deep") from error
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise DataError(path, number, None, "holds a character that UTF-8 does not have") from error
    if not isinstance(record, dict):
        raise DataError(path, number, None, f"not a JSON object but {_named(record)}")
    return record


def _type_problem(column: Column, value: Any) -> str | None:
    if value is None:
        return f"null, expected {column.json_name}"
    # bool is an int to Python, never to JSON.
    fits = isinstance(value, column.json_types) and (not isinstance(value, bool) or bool in column.json_types)
    if isinstance(value, list):
        fits = fits and all(isinstance(item, str) for item in value)
    elif fits and isinstance(value, float):
        fits = math.isfinite(value)
    elif fits and int in column.json_types:
        fits = abs(value) <= _LARGEST_INTEGER
    return None if fits else f"expected {column.json_name}, got {_named(value)}"


def _named(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
