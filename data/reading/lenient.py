"""Lenient reading: repairs what can be repaired without guessing, and says what it did.

A value whose column has a neutral empty value (a list, a name) is filled with it; any other value that cannot
be used takes its row along. Rows that others refer to take those along, too.
"""

from array import array
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import DataError
from data.reading.faults import FILE_RULES, Severity
from data.reading.references import needs_track, of_shared_session, of_unknown_listener, of_unknown_track
from data.reading.repairs import Repair, Repairs
from data.reading.table import RawTable
from data.schema import SESSIONS, TRACKS, USERS

_EMPTY_VALUE: dict[tuple[str, str], Any] = {
    ("artists", "name"): "",
    ("artists", "genres"): [],
    ("tracks", "name"): "",
    ("users", "name"): "",
    ("users", "city"): "",
    ("users", "street"): "",
    ("users", "favourite_genres"): [],
    ("sessions", "track_id"): "",
}


@dataclass
class _Table:
    """A table under repair: `frame` is indexed by line number."""

    raw: RawTable
    frame: pd.DataFrame
    repairs: list[Repair] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.raw.contract.name

    def note(
        self,
        action: Literal["dropped", "filled", "ignored"],
        reason: str,
        column: str | None,
        count: int,
        line: int,
    ) -> None:
        self.repairs.append(Repair(self.name, action, reason, column, count, line))

    def note_rows(
        self, action: Literal["dropped", "filled"], reason: str, column: str, at_fault: NDArray[np.bool_]
    ) -> None:
        lines = self.frame.index[at_fault]
        if len(lines):
            self.note(action, reason, column, len(lines), int(lines[0]))

    def drop(self, reason: str, column: str, at_fault: NDArray[np.bool_]) -> None:
        self.note_rows("dropped", reason, column, at_fault)
        self.frame = self.frame[~at_fault]


def repair(raw: dict[str, RawTable]) -> tuple[dict[str, pd.DataFrame], Repairs]:
    """Repairs the tables of a data set.

    Args:
        raw: The tables as they were read, by name; sessions come with users and tracks.

    Returns:
        The tables by name, as strict reading would return them (RangeIndex), and what was done to them.

    Raises:
        DataError: A table has no usable row.
    """
    tables = {name: _repaired(table) for name, table in raw.items()}
    if SESSIONS.name in tables:
        _mend_sessions(tables[SESSIONS.name], tables[USERS.name].frame, tables[TRACKS.name].frame)
    for table in tables.values():
        if table.frame.empty:
            table.raw.log.raise_first()
            raise DataError(table.raw.path, None, None, "no row can be used")
    repairs = Repairs(tuple(item for table in tables.values() for item in table.repairs))
    return {name: _typed(table) for name, table in tables.items()}, repairs


def _repaired(raw: RawTable) -> _Table:
    table = _Table(raw, raw.frame)
    filled: list[tuple[str, str, array[int]]] = []
    for (rule, column), group in raw.log.groups.items():
        if FILE_RULES[rule].severity is not Severity.ERROR or rule == "duplicate-id":
            continue
        if rule == "byte-order-mark":
            table.note("ignored", rule, None, group.count, group.lines[0])
        elif column is None or rule == "duplicate-key":  # such a line has no row
            table.note("dropped", rule, column, group.count, group.lines[0])
        elif (table.name, column) not in _EMPTY_VALUE:
            table.drop(rule, column, table.frame.index.isin(group.lines))
        else:
            if table.name == SESSIONS.name:  # the empty track id is for the events that need none
                table.drop(rule, column, table.frame.index.isin(group.lines) & needs_track(table.frame))
            filled.append((rule, column, group.lines))
    _drop_repeated_ids(table)
    for rule, column, lines in filled:
        _fill(table, rule, column, table.frame.index.isin(lines))
    return table


def _fill(table: _Table, rule: str, column: str, at_fault: NDArray[np.bool_]) -> None:
    if not at_fault.any():
        return
    table.note_rows("filled", rule, column, at_fault)
    values = table.frame[column].astype(object)
    empty = _EMPTY_VALUE[table.name, column]
    filled = [empty if bad else value for value, bad in zip(values, at_fault, strict=True)]
    as_read = object if empty == [] else "str"
    table.frame = table.frame.assign(**{column: pd.Series(filled, index=table.frame.index, dtype=as_read)})


def _drop_repeated_ids(table: _Table) -> None:
    """Leaves one of equal rows, and none of rows that say different things of one id."""
    for column in table.raw.contract.columns.values():
        if not column.is_unique or not table.frame[column.name].duplicated().any():
            continue
        repeated = table.frame[column.name].duplicated(keep=False).to_numpy()
        rows = table.frame[repeated]
        comparable = rows.map(lambda value: tuple(value) if isinstance(value, list) else value)
        equal = comparable.duplicated().to_numpy()
        contradicted = ~equal & rows.loc[~equal, column.name].duplicated(keep=False).reindex(
            rows.index, fill_value=False
        ).to_numpy()  # fmt: skip
        contradicted_ids = rows[column.name][contradicted]
        contradicted = rows[column.name].isin(contradicted_ids).to_numpy()
        lines = rows.index
        table.drop("contradicting-id", column.name, table.frame.index.isin(lines[contradicted]))
        table.drop("duplicate-id", column.name, table.frame.index.isin(lines[equal & ~contradicted]))


def _mend_sessions(sessions: _Table, users: pd.DataFrame, tracks: pd.DataFrame) -> None:
    sessions.drop("unknown-listener", "user_id", of_unknown_listener(sessions.frame, users))
    sessions.drop("unknown-track", "track_id", of_unknown_track(sessions.frame, tracks))
    sessions.drop("two-listeners", "session_id", of_shared_session(sessions.frame))


def _typed(table: _Table) -> pd.DataFrame:
    frame = table.frame.reset_index(drop=True)
    columns = table.raw.contract.columns
    return frame.astype({name: column.kind.dtype for name, column in columns.items()})
