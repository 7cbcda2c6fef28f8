"""Progress bars of a training run."""

from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class EpochBars:
    """One bar a model, with the loss of the last epoch; shown inside a `with` block."""

    def __init__(self, console: Console) -> None:
        """Prepares the bars for a console."""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} epochs"),
            TextColumn("loss {task.fields[loss]:.4f}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )

    def __enter__(self) -> Self:
        """Shows the bars."""
        self._progress.start()
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """Leaves the bars as they are, the last one full unless something went wrong."""
        if error is None:
            self._fill()
        self._progress.stop()

    def start(self, name: str, epochs: int) -> Callable[[float], None]:
        """Adds a model's bar and returns what moves it on: a function of an epoch's loss."""
        self._fill()
        task = self._progress.add_task(name, total=epochs, loss=float("nan"))
        return lambda loss: self._progress.update(task, advance=1, loss=loss)

    def _fill(self) -> None:
        """Takes the epochs that early stopping spared off the bars: what they show is over."""
        for task in self._progress.tasks:
            self._progress.update(task.id, total=task.completed)
