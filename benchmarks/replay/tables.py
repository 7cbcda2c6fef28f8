"""The figures as tables for a terminal."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from benchmarks.replay.goals import Goal


def figures_table(name: str, found: Mapping[str, Any]) -> Table:
    """Returns a data set's figures as a table."""
    table = Table(title=name, title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for label, value in _rows(found):
        table.add_row(label, value)
    return table


def goals_table(goals: Iterable[Goal]) -> Table:
    """Returns the promises and whether they are kept."""
    table = Table(title="goals", title_justify="left")
    table.add_column("goal")
    table.add_column("found", justify="right")
    table.add_column("met")
    for goal in goals:
        table.add_row(goal.promise, goal.found, "yes" if goal.met else "NO")
    return table


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for label, value in found.items():
        if isinstance(value, dict):
            yield label, ""
            yield from ((f"  {inner}", text) for inner, text in _rows(value))
        elif isinstance(value, Sequence):
            middle, low, high = value
            yield label, f"{middle:+.2f} ({low:+.2f} to {high:+.2f})"
        else:
            yield label, f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"
