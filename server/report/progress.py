"""How far a report is: a bar on a terminal, a line every so often elsewhere; always on standard error."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

PREDICTIONS_PER_LINE = 100_000


class ReportProgress:
    """Shows the stages of a report; shown inside a `with` block."""

    def __init__(self, console: Console) -> None:
        """Stores the console; shows nothing yet."""
        self._console = console
        self._done, self._total = 0, 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("looking which phases were logged", total=None, count="")

    def __enter__(self) -> Self:
        """Shows the bar."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Takes the bar away."""
        self._bar.stop()

    def reading(self, total: int) -> None:
        """Begins to count predictions, of so many."""
        self._total = total
        self._bar.update(self._task, description="reading predictions", total=total)

    def advance(self, n: int) -> None:
        """Counts predictions that were read; more than there were at first are no mistake."""
        before, self._done = self._done, self._done + n
        count = f"{self._done:,} of {self._total:,}"
        self._bar.update(self._task, completed=self._done, count=count)
        if before // PREDICTIONS_PER_LINE < self._done // PREDICTIONS_PER_LINE:
            self._print(f"read {count} predictions")

    def judging(self) -> None:
        """Says that all is read, and the figures are being computed."""
        self._bar.update(self._task, description="judging the arms", total=None)
        if self._done >= PREDICTIONS_PER_LINE:
            self._print("judging the arms")

    def _print(self, line: str) -> None:
        if not self._console.is_terminal:
            self._console.print(line, soft_wrap=True, highlight=False, markup=False)
