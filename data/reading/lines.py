"""The lines of one file to rows: msgspec decodes them, and a line that it refuses is read value by value."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np

from data.reading.blocks import Block
from data.reading.faults import MAX_FIELDS, FaultLog
from data.schema import FileContract
from data.value_rules import SENTINELS, LineError, shown, value_of

Row = msgspec.Struct
"""A line's values, an attribute a column; None where a value cannot be used."""

_REFUSED = (ValueError, RecursionError)  # msgspec's own errors are ValueErrors, too
_PLAIN_NAME = re.compile(r"[\w .-]+")  # msgspec cannot rename a field to any text
_LOST = frozenset(SENTINELS)
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_LINE_FEED, _SPACE, _QUOTE, _COLON, _BACKSLASH = b'\n ":\\'


class LineReader:
    """Reads the lines of one file, in order.

    Attributes:
        n_rows: How many lines so far were not blank.
    """

    def __init__(self, contract: FileContract, log: FaultLog, note_strays: bool = False) -> None:
        """Starts; `note_strays` logs the fields that the contract does not know."""
        self._columns = contract.columns
        self._log = log
        self._note_strays = note_strays
        self._ids = [attrgetter(name) for name, column in self._columns.items() if column.is_identifier]
        self._strays: dict[str, str] = {}
        self._row_type: type[Row]
        self._decode: Callable[[bytes], Row] | None = None
        self.n_rows = 0

    def read(self, block: Block) -> tuple[Sequence[int], list[Row]]:
        """Returns the numbers of a block's lines that hold an object, and their rows."""
        texts = block.data.split(b"\n")[:-1]
        if not block.data.strip():  # at once: a file may be megabytes of these
            lines = range(block.first_line, block.first_line + len(texts))
            self._log.add_lines("blank-line", lines, "blank", None, [])
            return [], []
        if self._decode is None:
            self._row_type = self._make_row_type(next(text for text in texts if text.strip()))
            self._decode = msgspec.json.Decoder(self._row_type).decode
        certain = _names_each_once(block.data, len(self._row_type.__struct_fields__))
        rows = self._decoded(block.first_line, texts) if all(certain) else None
        if rows is not None:
            return range(block.first_line, block.first_line + len(rows)), rows
        return self._line_by_line(block, texts, certain)

    def _line_by_line(
        self, block: Block, texts: list[bytes], certain: list[bool]
    ) -> tuple[list[int], list[Row]]:
        lines, rows = [], []
        for line, text in enumerate(texts, block.first_line):
            decoded = self._decoded(line, [text]) if certain[line - block.first_line] else None
            row = decoded[0] if decoded else self._by_value(line, text, block.cut_off and text is texts[-1])
            if row is not None:
                lines.append(line)
                rows.append(row)
        return lines, rows

    def _make_row_type(self, first: bytes) -> type[Row]:
        """Returns the type of a line: the contract's columns, and what else the file's first line names."""
        try:
            strays = [name for name in parse_line(first) if name not in self._columns]
        except LineError:
            strays = []
        plain = [name for name in strays if _PLAIN_NAME.fullmatch(name)]
        self._strays = {f"stray_{i}": name for i, name in enumerate(plain[:MAX_FIELDS])}
        fields = [(name, column.annotation) for name, column in self._columns.items()]
        fields += [(field, Any) for field in self._strays]
        # gc=False: there are many rows, and none is part of a cycle.
        return msgspec.defstruct("Row", fields, rename=self._strays, forbid_unknown_fields=True, gc=False)

    def _decoded(self, first_line: int, texts: list[bytes]) -> list[Row] | None:
        """Returns lines' rows, or None when anything may be wrong with one of them."""
        assert self._decode is not None
        decode = self._decode
        try:
            rows = [decode(text) for text in texts]
        except _REFUSED:
            return None
        if not all(_LOST.isdisjoint(map(ids, rows)) for ids in self._ids):
            return None
        self.n_rows += len(rows)
        if self._note_strays:
            lines = range(first_line, first_line + len(rows))
            for field, name in self._strays.items():
                self._note_stray(lines, name, map(attrgetter(field), rows))
        return rows

    def _by_value(self, line: int, text: bytes, cut_off: bool) -> Row | None:
        """Returns a line's row and logs what is wrong with it; None when it holds no object."""
        if not text.strip():
            self._log.add("blank-line", line, "blank")
            return None
        self.n_rows += 1
        try:
            record = parse_line(text, cut_off)
        except LineError as error:
            self._note(line, error)
            return None
        values = []
        for column in self._columns.values():
            try:
                values.append(value_of(record, column))
            except LineError as error:
                self._note(line, error)
                values.append(None)
        if self._note_strays:
            for name in record:
                if name not in self._columns:
                    self._note_stray([line], name, [record[name]])
        return self._row_type(*values, *[None] * len(self._strays))

    def _note(self, line: int, error: LineError) -> None:
        self._log.add(error.rule, line, error.problem, error.column, error.value)

    def _note_stray(self, lines: Sequence[int], name: str, values: Iterable[Any]) -> None:
        problem = f"the contract knows no field {name!r}"
        self._log.add_lines("stray-field", lines, problem, name, values)


def _names_each_once(data: bytes, n_names: int) -> list[bool]:
    """Returns for each line whether it surely names `n_names` fields and no more, nested ones included.

    JSON allows to name a field twice, and msgspec keeps the last value without a word: of a line with all the
    fields that it asks for, this is what shows it. A name ends in `":`, and so does nothing else unless there
    is a backslash before or a space between; lines that have these are not sure.
    """
    characters = np.frombuffer(data, dtype=np.uint8)
    colons = np.flatnonzero(characters == _COLON)
    line = np.searchsorted(np.flatnonzero(characters == _LINE_FEED), colons)
    before = characters[colons - 1]
    ends_name = before == _QUOTE
    surely = np.bincount(line[ends_name], minlength=data.count(b"\n")) == n_names
    surely[line[(before <= _SPACE) | (ends_name & (characters[colons - 2] == _BACKSLASH))]] = False
    certain: list[bool] = surely.tolist()
    return certain


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
        # NaN and Infinity pass here, and are found by `value_of`.
        record = json.loads(line.decode(), object_pairs_hook=_unique)
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
        raise LineError("not-an-object", f"not a JSON object but {shown(record)}")
    return record


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise LineError("duplicate-key", "there more than once in the line", twice)
    return record
