"""One JSONL file to one checked table: Arrow reads it; only a file at fault is read again line by line."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.errors
import pyarrow as arrow
import pyarrow.compute as compute
import pyarrow.json as arrow_json

from data.errors import DataError
from data.lines import MAX_LINE_BYTES, check_lines, line_of_row
from data.schema import TIMESTAMP_PATTERN, FileContract

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
        check_lines(path, contract)
    if _nulls(table):
        check_lines(path, contract)
        raise DataError(path, None, None, "a null where none is allowed")
    frame = _to_pandas(path, contract, table)
    _hold_to_contract(path, contract, frame)
    return frame


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
        check_lines(path, contract)
        raise DataError(path, None, None, str(error)) from error
    if table.num_rows == 0:
        raise DataError(path, None, None, "the file holds no rows")
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
    if isinstance(value, np.generic):  # whose repr names its type
        value = value.item()
    if check == "field_uniqueness":
        return f"{value!r} is there more than once"
    if check == "not_nullable":
        return "not a number (NaN)"
    return f"{value!r} breaks the rule {check}"
