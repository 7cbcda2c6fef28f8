"""What lenient reading did to a data set."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Repair:
    """One kind of repair to one file.

    Attributes:
        file: Name of the table.
        action: `dropped` for rows left out, `filled` for values that got their column's empty value,
            `ignored` for what was read past.
        reason: The rule that the lines break.
        column: The column at fault; None when it is not one column's.
        count: How many rows or values.
        line: The first of the lines.
    """

    file: str
    action: Literal["dropped", "filled", "ignored"]
    reason: str
    column: str | None
    count: int
    line: int


@dataclass(frozen=True)
class Repairs:
    """All repairs to a data set, file by file; empty, and false, when there was nothing to repair."""

    items: tuple[Repair, ...] = ()

    def __bool__(self) -> bool:
        """Returns whether anything was repaired."""
        return bool(self.items)

    def __iter__(self) -> Iterator[Repair]:
        """Yields the repairs."""
        return iter(self.items)

    def dropped(self, file: str) -> int:
        """Returns how many rows of a table were left out."""
        return sum(item.count for item in self.items if item.file == file and item.action == "dropped")


def print_repairs(repairs: Repairs) -> None:
    """Prints the repairs as a table on standard error; nothing when there are none."""
    if not repairs:
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title="Repaired while reading", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    numbers = ("count", "first line")
    for heading in ("file", "column", "reason", "done", *numbers):
        table.add_column(heading, no_wrap=True, justify="right" if heading in numbers else "left")
    for item in repairs:
        table.add_row(
            item.file, item.column or "", item.reason, item.action, f"{item.count:,}", str(item.line)
        )
    Console(stderr=True).print(table)
