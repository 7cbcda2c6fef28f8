"""How a rule that looks at whole tables is declared: one function with a decorator.

    @rule("duplicate-artist-name", Severity.WARNING, table="artists", column="name")
    def duplicate_artist_name(tables: Tables) -> Broken:
        '''artists of the same name'''

The function returns where the rule is broken; its docstring is what a finding says. It runs when the tables
that it `needs` (its own among them) could be read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.reading.faults import Rule, Severity
from data.session_plays import in_session_order, play_of_event


class Tables:
    """The tables by name, indexed by line number; null where a value cannot be used."""

    def __init__(self, frames: Mapping[str, pd.DataFrame]) -> None:
        """Stores the tables that could be read."""
        self._frames = frames

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Returns a table."""
        return self._frames[name]

    @cached_property
    def events_and_plays(self) -> tuple[pd.DataFrame, NDArray[np.int64]]:
        """Returns the usable events session by session, with their `line`, and each one's PLAY or -1."""
        usable = self["sessions"][["timestamp", "track_id", "event_type", "session_id"]].dropna()
        events = in_session_order(usable.assign(line=usable.index))
        return events, play_of_event(events, (events["event_type"] == "PLAY").to_numpy())


@dataclass(frozen=True)
class Broken:
    """Where a rule is broken.

    Attributes:
        values: The values at fault, indexed by line number.
        count: How often, when that is not the number of values.
        note: What to add to the rule's meaning.
    """

    values: "pd.Series[Any]"
    count: int | None = None
    note: str = ""


@dataclass(frozen=True)
class TableRule(Rule):
    """A rule over whole tables.

    Attributes:
        table: The table whose lines break it.
        column: The column at fault.
        needs: All tables that it looks at.
        find: Returns where it is broken.
    """

    table: str
    column: str | None
    needs: frozenset[str]
    find: Callable[[Tables], Broken]


TABLE_RULES: dict[str, TableRule] = {}
"""The rules over whole tables, by name, in the order in which they were declared."""


def rule(
    name: str, severity: Severity, *, table: str, column: str | None = None, needs: tuple[str, ...] = ()
) -> Callable[[Callable[[Tables], Broken]], Callable[[Tables], Broken]]:
    """Declares the decorated function as a rule; see the module's docstring.

    Args:
        name: The rule's name in reports.
        severity: How much it matters when broken.
        table: The table whose lines break it.
        column: The column at fault; None when it is not one column's.
        needs: Other tables that it looks at.
    """

    def declare(find: Callable[[Tables], Broken]) -> Callable[[Tables], Broken]:
        if name in TABLE_RULES:
            raise ValueError(f"there is a rule {name!r} already")
        meaning = " ".join((find.__doc__ or "").split())
        TABLE_RULES[name] = TableRule(
            name, severity, meaning, table, column, frozenset({table, *needs}), find
        )
        return find

    return declare
