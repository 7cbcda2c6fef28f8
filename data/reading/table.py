"""One JSONL file to one table, block by block, so that memory is bounded by the table and not by the file."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.reading.blocks import blocks
from data.reading.faults import MAX_EXAMPLES, FaultLog
from data.reading.lines import LineReader, Row
from data.reading.times import timestamps
from data.schema import FileContract
from data.value_rules import ID, TIME, Kind

_NULLABLE = {"int64": "Int64", "bool": "boolean"}


@dataclass(frozen=True, eq=False)
class RawTable:
    """What a file holds, its faults included.

    Attributes:
        contract: The file's contract.
        path: The file.
        frame: The contract's columns, indexed by line number; null (NaT, NaN, None, NA) where a value cannot
            be used. Lines that hold no object have no row.
        n_rows: Lines of the file that are not blank.
        log: Which lines and values cannot be used, and why.
    """

    contract: FileContract
    path: Path
    frame: pd.DataFrame
    n_rows: int
    log: FaultLog


def read_raw(
    path: Path,
    contract: FileContract,
    hasher: "hashlib._Hash",
    *,
    strict: bool = False,
    note_strays: bool = False,
) -> RawTable:
    """Reads a file as far as it can be read.

    Args:
        path: The file.
        contract: What it is held to.
        hasher: Is updated with the file's bytes.
        strict: Raise the first fault, at the end of the block that it is in, instead of reading on.
        note_strays: Log the fields that the contract does not know.

    Returns:
        The table.

    Raises:
        DataError: The file cannot be read, or has a fault and reading is strict.
    """
    log = FaultLog(path)
    reader = LineReader(contract, log, note_strays)
    pieces = [_frame(contract, [], [], log)]
    for block in blocks(path, log, hasher):
        pieces.append(_frame(contract, *reader.read(block), log))
        if strict:
            log.raise_first()
    # The first piece is empty, and is what a file without rows leaves.
    frame = pd.concat(pieces[1:] or pieces)
    _log_repeated_ids(contract, frame, log)
    if strict:
        log.raise_first()
    too_long = log.groups.get(("line-too-long", None))
    return RawTable(contract, path, frame, reader.n_rows + (too_long.count if too_long else 0), log)


def _frame(contract: FileContract, lines: Sequence[int], rows: list[Row], log: FaultLog) -> pd.DataFrame:
    """Returns a block's rows as a table; what stands in for a time and is none is logged and left out."""
    index = pd.Index(lines, dtype=np.int64, name="line")
    series = {}
    for name, column in contract.columns.items():
        values = list(map(attrgetter(name), rows))
        if column.kind is TIME:
            times, bad = timestamps(values)
            for row in np.flatnonzero(bad).tolist():
                problem = f"not an ISO 8601 time: {values[row]!r}"
                log.add("bad-time", lines[row], problem, name, values[row])
            series[name] = pd.Series(times, index)
        else:
            if column.kind is ID:
                values = [None if value is None else str(value) for value in values]
            series[name] = pd.Series(values, index, _dtype(column.kind, values))
    return pd.DataFrame(series, index)


def _dtype(kind: Kind, values: list[Any]) -> str:
    return _NULLABLE.get(kind.dtype, kind.dtype) if None in values else kind.dtype


def _log_repeated_ids(contract: FileContract, frame: pd.DataFrame, log: FaultLog) -> None:
    for name in [name for name, column in contract.columns.items() if column.is_unique]:
        ids = frame[name].dropna()
        repeated = ids[ids.duplicated()]
        if len(repeated):
            examples = repeated.head(MAX_EXAMPLES).tolist()
            problem = f"{examples[0]} is there more than once"
            log.add_lines("duplicate-id", repeated.index.tolist(), problem, name, examples)
