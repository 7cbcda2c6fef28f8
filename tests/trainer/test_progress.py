"""A bar ends full when its model is done, and not when it was stopped."""

import io

import pytest
from rich.console import Console

from trainer.progress import EpochBars, stage


def shown(bars: EpochBars) -> list[tuple[str, float, float | None]]:
    return [(task.description, task.completed, task.total) for task in bars._progress.tasks]


def test_early_stopping_leaves_no_bar_short() -> None:
    with EpochBars(Console(file=io.StringIO())) as bars:
        bars.start("simple", 8)(0.5)
        assert shown(bars) == [("simple", 1, 8)]
        bars.start("advanced", 8)
        assert shown(bars) == [("simple", 1, 1), ("advanced", 0, 8)]
    assert shown(bars) == [("simple", 1, 1), ("advanced", 0, 0)]


def test_a_bar_of_a_run_that_failed_stays_short() -> None:
    bars = EpochBars(Console(file=io.StringIO()))

    def interrupted() -> None:
        with bars:
            bars.start("simple", 8)(0.5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert shown(bars) == [("simple", 1, 8)]


def test_off_a_terminal_there_is_a_line_a_model_and_no_bar() -> None:
    told = io.StringIO()
    with EpochBars(Console(file=told)) as bars:
        with stage(bars.console, "reading [data]"):
            bars.start("simple", 8)(0.5)
        bars.start("advanced", 8)
    assert told.getvalue().splitlines() == [
        "training simple: 8 epochs at most", "reading [data]: done", "training advanced: 8 epochs at most",
    ]  # fmt: skip
