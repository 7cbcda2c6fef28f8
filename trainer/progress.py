"""Progress of a training run: bars on a terminal, one plain line a stage elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def stage(console: Console, what: str) -> Iterator[None]:
    """Shows what is done within the block: for its time on a terminal, as a line at its end elsewhere.

    A block that fails adds no line, so that a failed command leaves its error alone.
    """
    if console.is_terminal:
        with console.status(what):
            yield
    else:
        yield
        print_line(console, f"{what}: done")


def print_line(console: Console, text: str) -> None:
    """Prints a line as it is, neither wrapped nor coloured."""
    console.print(text, soft_wrap=True, highlight=False, markup=False)


class EpochBars:
    """One bar a model, with the loss of the last epoch; shown inside a `with` block.

    Attributes:
        console: Where they are shown.
    """

    def __init__(self, console: Console) -> None:
        """Stores the console; shows nothing yet."""
        self.console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} epochs"),
            TextColumn("loss {task.fields[loss]:.4f}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        """Shows the bars."""
        self._progress.start()
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """Stops the bars, the last one full unless something went wrong."""
        if error is None:
            self._fill()
        self._progress.stop()

    def start(self, name: str, epochs: int) -> Callable[[float], None]:
        """Adds a model's bar and returns what moves it on: a function of an epoch's loss."""
        self._fill()
        if not self.console.is_terminal:
            print_line(self.console, f"training {name}: {epochs} epochs at most")
        task = self._progress.add_task(name, total=epochs, loss=float("nan"))
        return lambda loss: self._progress.update(task, advance=1, loss=loss)

    def _fill(self) -> None:
        """Shortens the bars by the epochs that early stopping spared: what they show is over."""
        for task in self._progress.tasks:
            self._progress.update(task.id, total=task.completed)
