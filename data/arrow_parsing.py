"""A block of lines to an Arrow table, or to nothing when Arrow cannot or must not read it.

Arrow's JSON reader is fast and gives up at the first fault, without its line; on some input that is not an
object a line it even ends the process (https://github.com/apache/arrow/issues/47409): a block that could harm
it never reaches it.
"""

import io

import numpy as np
import pyarrow as arrow
import pyarrow.compute as compute
import pyarrow.json as arrow_json

from data.blocks import Block
from data.faults import MAX_FIELDS
from data.schema import FileContract

_SPARE_BRACKETS = 500
"""Brackets that a block's texts may hold; more could nest so deep that Arrow overruns its stack."""

_LINE_FEED, _CARRIAGE_RETURN, _BRACE, _CLOSING_BRACE, _BRACKET = b"\n\r{}["


class ArrowParser:
    """Parses blocks of one file; may be used by several threads at once."""

    def __init__(self, contract: FileContract) -> None:
        """Prepares for the lines of a contract's file."""
        self._columns = contract.raw_arrow_schema.names
        self._most_brackets_a_line = 1 + sum(
            arrow.types.is_list(field.type) for field in contract.arrow_schema
        )
        # Fields that the contract does not know are parsed, too: what Arrow ignores may be any bytes.
        self._options = arrow_json.ParseOptions(
            explicit_schema=contract.arrow_schema, unexpected_field_behavior="infer"
        )
        self._gave_up = False

    def parse(self, block: Block) -> arrow.Table | None:
        """Returns the block's rows, one a line, or None when Arrow cannot or must not read it."""
        if self._gave_up or not self._is_safe(block):
            return None
        try:
            table = arrow_json.read_json(
                io.BytesIO(block.data),
                read_options=arrow_json.ReadOptions(block_size=len(block.data) + 1, use_threads=False),
                parse_options=self._options,
            )
            # Nulls in a list can break one: https://github.com/apache/arrow/issues/51305
            table.validate(full=True)
        except arrow.ArrowInvalid:
            return None
        if table.num_columns > len(self._columns) + MAX_FIELDS:
            # A field that is new in each line costs Arrow a column, and seconds a block: ours is faster.
            self._gave_up = True
            return None
        usable = table.num_rows == block.n_lines and all(
            _holds_json(column) for column in table.select(self._columns).columns
        )
        return table if usable else None

    def _is_safe(self, block: Block) -> bool:
        """Tells whether each line is UTF-8 and looks like one object, not nested deep."""
        if not block.data.startswith(b"{"):
            return False
        try:
            block.data.decode()
        except UnicodeDecodeError:
            return False
        data = np.frombuffer(block.data, dtype=np.uint8)
        ends = np.flatnonzero(data == _LINE_FEED)
        before = data[ends - 1]
        before = np.where(before == _CARRIAGE_RETURN, data[ends - 2], before)
        n_brackets = np.count_nonzero(data == _BRACE) + np.count_nonzero(data == _BRACKET)
        return bool(
            (data[ends[:-1] + 1] == _BRACE).all()
            and (before == _CLOSING_BRACE).all()
            and n_brackets <= self._most_brackets_a_line * block.n_lines + _SPARE_BRACKETS
        )


def _holds_json(column: arrow.ChunkedArray) -> bool:
    """Tells whether a column is without NaN, Infinity and lists with nulls, all of which Arrow reads."""
    if arrow.types.is_list(column.type):
        return bool(compute.list_flatten(column).null_count == 0)
    if arrow.types.is_floating(column.type):
        return bool(compute.all(compute.is_finite(column)).as_py() is not False)
    return True
