"""One JSONL file to one table: Arrow reads it; only lines at fault are looked at one by one.

A file is cut into blocks of whole lines, and a block that Arrow refuses is halved until what is left is small
enough to be parsed line by line.
"""

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as compute
from numpy.typing import NDArray

from data.arrow_parsing import ArrowParser
from data.blocks import Block, blocks
from data.faults import FaultLog
from data.lines import LineError, parse_line, value_of
from data.schema import FileContract
from data.timestamps import to_timestamps

_SMALLEST_BLOCK_LINES = 64
_N_THREADS = min(4, os.cpu_count() or 1)

_NULLABLE = {arrow.int64(): pd.Int64Dtype(), arrow.bool_(): pd.BooleanDtype()}


Piece = tuple[arrow.Table, NDArray[np.int64]]
"""Some rows of a file, and the lines that they stand in."""


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
    path: Path, contract: FileContract, log: FaultLog, hasher: "hashlib._Hash", note_strays: bool = False
) -> RawTable:
    """Reads a file as far as it can be read.

    Args:
        path: The file.
        contract: The file's contract; only types are looked at here.
        log: Where faults go; a `StrictFaultLog` raises the first.
        hasher: Is updated with the file's bytes.
        note_strays: Log the fields that the contract does not know.

    Returns:
        The table.

    Raises:
        DataError: The file cannot be read, or `log` raised it.
    """
    reader = _Reader(contract, log, note_strays)
    pieces = list(reader.read_all(blocks(path, log, hasher)))
    tables, lines = zip(*pieces, strict=True) if pieces else ((), ())
    table = arrow.concat_tables([contract.raw_arrow_schema.empty_table(), *tables])
    index = pd.Index(np.concatenate([np.empty(0, np.int64), *lines]), name="line")
    too_long = log.groups.get(("line-too-long", None))
    n_rows = reader.n_rows + (too_long.count if too_long else 0)
    return RawTable(contract, path, _to_pandas(contract, table).set_index(index), n_rows, log)


class _Reader:
    """Turns blocks of one file into Arrow tables."""

    def __init__(self, contract: FileContract, log: FaultLog, note_strays: bool) -> None:
        self._columns = contract.columns
        self._schema = contract.raw_arrow_schema
        self._time_columns = contract.time_columns
        self._log = log
        self._note_strays = note_strays
        self._arrow = ArrowParser(contract)
        self.n_rows = 0

    def read_all(self, blocks: Iterator[Block]) -> Iterator[Piece]:
        """Yields the rows in file order; Arrow works on a few blocks at a time."""
        ahead: deque[tuple[Block, Future[arrow.Table | None]]] = deque()
        with ThreadPoolExecutor(_N_THREADS) as pool:
            for block in blocks:
                ahead.append((block, pool.submit(self._arrow.parse, block)))
                if len(ahead) > _N_THREADS:
                    first, table = ahead.popleft()
                    yield from self._pieces(first, table.result())
            while ahead:
                first, table = ahead.popleft()
                yield from self._pieces(first, table.result())

    def _pieces(self, block: Block, table: arrow.Table | None) -> Iterator[Piece]:
        """Yields a block's rows; `table` is what Arrow made of it, or None when it could not."""
        if table is not None:
            self.n_rows += table.num_rows
            lines = block.first_line + np.arange(table.num_rows)
            self._note_nulls(block, table)
            if self._note_strays:
                self._note_stray_columns(block, table)
            yield self._finish(table.select(self._schema.names), lines), lines
        elif not block.data.strip():
            lines = block.first_line + np.arange(block.n_lines)
            self._log.add_lines("blank-line", lines.tolist(), "blank", None, [])
        elif block.n_lines > _SMALLEST_BLOCK_LINES and (halves := block.halves()):
            for half in halves:
                yield from self._pieces(half, self._arrow.parse(half))
        else:
            yield self._line_by_line(block)

    def _line_by_line(self, block: Block) -> Piece:
        values: dict[str, list[Any]] = {name: [] for name in self._columns}
        lines = []
        texts = block.data.split(b"\n")[:-1]
        for line, text in enumerate(texts, block.first_line):
            if not text.strip():
                self._log.add("blank-line", line, "blank")
                continue
            self.n_rows += 1
            record = self._record(line, text, block.cut_off and text is texts[-1])
            if record is None:
                continue
            lines.append(line)
            for name in self._columns:
                values[name].append(self._value(line, record, name))
            if self._note_strays:
                self._note_stray_fields(line, record)
        schema = arrow.schema([(name, column.arrow_type) for name, column in self._columns.items()])
        numbers = np.array(lines, dtype=np.int64)
        return self._finish(arrow.table(values, schema=schema), numbers), numbers

    def _record(self, line: int, text: bytes, cut_off: bool = False) -> dict[str, Any] | None:
        try:
            return parse_line(text, cut_off)
        except LineError as error:
            self._log.add(error.rule, line, error.problem, error.column, error.value)
            return None

    def _value(self, line: int, record: dict[str, Any], name: str) -> Any:
        try:
            return value_of(record, self._columns[name])
        except LineError as error:
            self._log.add(error.rule, line, error.problem, error.column, error.value)
            return None

    def _note_nulls(self, block: Block, table: arrow.Table) -> None:
        """Logs for each null of the contract's columns if it is written there or the field is missing."""
        names = [name for name in self._columns if table[name].null_count]
        if not names:
            return
        null = {name: compute.is_null(table[name]).to_numpy() for name in names}
        texts = block.data.split(b"\n")
        for row in np.flatnonzero(np.any(list(null.values()), axis=0)).tolist():
            line = block.first_line + row
            record = self._record(line, texts[row]) or {}
            for name in names:
                if null[name][row]:
                    self._value(line, record, name)

    def _note_stray_columns(self, block: Block, table: arrow.Table) -> None:
        for name in table.column_names:
            if name in self._columns:
                continue
            present = compute.is_valid(table[name]).to_numpy()
            if present.all() and ("stray-field", name) in self._log.groups:
                lines = range(block.first_line, block.first_line + len(present))
                self._log.add_lines("stray-field", lines, "", name, [])
                continue
            for row, text in enumerate(block.data.split(b"\n")[:-1]):
                if present[row] or name.encode() in text:  # Arrow cannot tell a null from none
                    record = parse_line(text)
                    if name in record:
                        self._note_stray(block.first_line + row, name, record[name])

    def _note_stray_fields(self, line: int, record: dict[str, Any]) -> None:
        for name in record:
            if name not in self._columns:
                self._note_stray(line, name, record[name])

    def _note_stray(self, line: int, name: str, value: Any) -> None:
        self._log.add("stray-field", line, f"the contract knows no field {name!r}", name, value)

    def _finish(self, table: arrow.Table, lines: NDArray[np.int64]) -> arrow.Table:
        """Parses the columns of times, logging what is no time."""
        for name in self._time_columns:
            times, bad = to_timestamps(table[name])
            for row in np.flatnonzero(bad).tolist():
                text = table[name][row].as_py()
                self._log.add("bad-time", int(lines[row]), f"not an ISO 8601 time: {text!r}", name, text)
            table = table.set_column(table.column_names.index(name), name, times)
        return table


def _to_pandas(contract: FileContract, table: arrow.Table) -> pd.DataFrame:
    lists = [field.name for field in table.schema if arrow.types.is_list(field.type)]
    frame: pd.DataFrame = table.drop_columns(lists).to_pandas(types_mapper=_NULLABLE.get)
    for name in lists:  # to_pandas would make arrays of them
        frame[name] = pd.Series(table[name].to_pylist(), dtype=object)
    return frame[list(contract.columns)]
