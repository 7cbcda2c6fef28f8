"""One JSONL file to one checked table: Arrow reads it; only a file at fault is walked line by line."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import pandera.errors
import pyarrow as arrow
import pyarrow.compute as compute
import pyarrow.json as arrow_json

from data.errors import DataError
from data.schema import TIMESTAMP_PATTERN, Column, FileContract

MAX_LINE_BYTES = 4 << 20
"""Longest line accepted; also Arrow's block, which must hold a whole line."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_table(directory: Path, contract: FileContract, hasher: "hashlib._Hash") -> pd.DataFrame:
    """Reads one file of a data set and holds it to its contract.

    Args:
        directory: Folder of the data set.
        contract: The file's contract.
        hasher: Is updated with the file's bytes.

    Returns:
        The contract's columns, one row a line, RangeIndex; lists of strings as list[str], timestamps as
        datetime64[us].

    Raises:
        DataError: The file is missing, unreadable or breaks its contract; names the first line at fault.
    """
    path = directory / contract.file_name
    try:
        n_lines = _scan(path, hasher)
        table = _parse(path, contract)
    except OSError as error:
        raise DataError(path, None, None, _reason(error)) from error
    if table.num_rows != n_lines:  # blank lines, or several objects in one line
        _raise_first_fault(path, contract, otherwise=None)
    if _nulls(table):
        _raise_first_fault(path, contract, otherwise="a null where none is allowed")
    frame = _to_pandas(path, contract, table)
    _hold_to_contract(path, contract, frame)
    return frame


def line_of_row(path: Path, row: int) -> int:
    """Returns the line (from 1) that holds a row (from 0); blank lines hold none."""
    for seen, (number, _) in enumerate(_lines(path)):
        if seen == row:
            return number
    raise IndexError(row)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _scan(path: Path, hasher: "hashlib._Hash") -> int:
    """Hashes a file and returns how many lines it has, the unended last one included."""
    n_lines, last, first = 0, b"", True
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            if first and block.startswith(_BYTE_ORDER_MARK):
                raise DataError(path, 1, None, "begins with a byte order mark: save it as plain UTF-8")
            hasher.update(block)
            n_lines += block.count(b"\n")
            last, first = block[-1:], False
    if first:
        raise DataError(path, None, None, "the file is empty")
    return n_lines + (last != b"\n")


def _parse(path: Path, contract: FileContract) -> arrow.Table:
    try:
        table = arrow_json.read_json(
            path,
            read_options=arrow_json.ReadOptions(block_size=MAX_LINE_BYTES),
            parse_options=arrow_json.ParseOptions(
                explicit_schema=contract.arrow_schema, unexpected_field_behavior="ignore"
            ),
        )
        table.validate(full=True)  # strings are UTF-8
    except arrow.ArrowInvalid as error:
        _raise_first_fault(path, contract, otherwise=str(error))
    if table.num_rows == 0:
        _raise_first_fault(path, contract, otherwise="the file holds no rows")
    return table


def _nulls(table: arrow.Table) -> bool:
    return any(
        column.null_count or (arrow.types.is_list(column.type) and compute.list_flatten(column).null_count)
        for column in table.columns
    )


def _to_pandas(path: Path, contract: FileContract, table: arrow.Table) -> pd.DataFrame:
    lists = [field.name for field in table.schema if arrow.types.is_list(field.type)]
    frame: pd.DataFrame = table.drop_columns(lists).to_pandas()
    for name in lists:  # to_pandas would make arrays of them
        frame[name] = pd.Series(table[name].to_pylist(), dtype=object)
    for name, column in contract.columns.items():
        if column.json_name == "an ISO 8601 time":
            frame[name] = _timestamps(path, name, table[name])
    return frame[list(contract.columns)]


def _timestamps(path: Path, name: str, texts: arrow.ChunkedArray) -> "pd.Series[pd.Timestamp]":
    times: pd.Series[pd.Timestamp] = pd.to_datetime(
        texts.to_pandas(), format="ISO8601", utc=True, errors="coerce"
    )
    well_formed = compute.match_substring_regex(texts, TIMESTAMP_PATTERN).to_numpy()
    bad = (times.isna() | ~well_formed).to_numpy()
    if bad.any():
        row = int(bad.argmax())
        raise DataError(path, line_of_row(path, row), name, f"not an ISO 8601 time: {texts[row].as_py()!r}")
    return times.dt.tz_localize(None).dt.as_unit("us")


def _hold_to_contract(path: Path, contract: FileContract, frame: pd.DataFrame) -> None:
    try:
        contract.model.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        first = cases.sort_values("index", kind="stable").iloc[0]
        if pd.isna(first["index"]):  # a whole column's fault, which Arrow's schema should have kept out
            raise DataError(path, None, str(first["column"]), str(first["check"])) from errors
        line = line_of_row(path, int(first["index"]))
        raise DataError(path, line, str(first["column"]), _broken(first)) from errors


def _broken(case: "pd.Series[Any]") -> str:
    value, check = case["failure_case"], str(case["check"])
    if check == "field_uniqueness":
        return f"{value!r} is there more than once"
    if check == "not_nullable":
        return "not a number (NaN)"
    return f"{value!r} breaks the rule {check}"


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


def _raise_first_fault(path: Path, contract: FileContract, otherwise: str | None) -> Any:
    """Raises the first fault that a walk over the lines finds, or else `otherwise` when that is not None."""
    for number, line in _lines(path):
        _check_line(path, number, line, contract)
    if otherwise is not None:
        raise DataError(path, None, None, otherwise)


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
        record = json.loads(line, object_pairs_hook=unique, parse_constant=reject)
    except UnicodeDecodeError as error:
        raise DataError(path, number, None, f"not UTF-8 (byte {error.start + 1} of the line)") from error
    except json.JSONDecodeError as error:
        cut = "" if line.endswith(b"\n") else ", and the file ends here: cut off?"
        raise DataError(
            path, number, None, f"not JSON: {error.msg} at character {error.colno}{cut}"
        ) from error
    except RecursionError as error:
        raise DataError(path, number, None, "not JSON: nested too deep") from error
    if not isinstance(record, dict):
        raise DataError(path, number, None, f"not a JSON object but {_named(record)}")
    return record


def _type_problem(column: Column, value: Any) -> str | None:
    if value is None:
        return f"null, expected {column.json_name}"
    # bool is an int to Python, never to JSON.
    fits = isinstance(value, column.json_types) and (not isinstance(value, bool) or bool in column.json_types)
    if fits and isinstance(value, list):
        fits = all(isinstance(item, str) for item in value)
    return None if fits else f"expected {column.json_name}, got {_named(value)}"


def _named(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
