"""A run's results for people and for programs."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from trainer.evaluation.chance import chance_of
from trainer.run import Trained

_ROWS: dict[str, Callable[[Trained], str]] = {
    "accuracy": lambda result: f"{result.metrics.accuracy:.2%}",
    "accuracy of the majority": lambda result: f"{result.metrics.majority_accuracy:.2%}",
    "ROC AUC": lambda result: "-" if result.metrics.roc_auc is None else f"{result.metrics.roc_auc:.3f}",
    "log loss": lambda result: f"{result.metrics.log_loss:.3f}",
    "Brier score": lambda result: f"{result.metrics.brier:.3f}",
    "calibration error": lambda result: f"{result.metrics.ece:.3f}",
    "by chance alone, 95 %": lambda result: _by_chance(result),
    "plays to train on": lambda result: f"{result.manifest.training['n_train']:,}",
    "plays to test on": lambda result: f"{len(result.probabilities):,}",
    "training time, s": lambda result: f"{result.manifest.training['seconds']:.1f}",
    "exported version": lambda result: result.manifest.version,
}


def _by_chance(result: Trained) -> str:
    chance = chance_of(result.probabilities)
    return f"{chance.low:.3f}-{chance.high:.3f}"


def results_table(results: Sequence[Trained], title: str) -> Table:
    """Returns one column a model: its metrics on the test part, the sizes, the time and the version.

    Below the calibration error stands what 95 of 100 draws of exactly right probabilities would show.
    """
    table = Table(title=title)
    table.add_column("on the test part")
    for result in results:
        table.add_column(result.name, justify="right")
    for label, show in _ROWS.items():
        table.add_row(label, *map(show, results))
    return table


def results_json(result: Trained) -> dict[str, Any]:
    """Returns one model's entry of the trainer's `--json` file."""
    return {
        "version": result.manifest.version,
        **asdict(result.metrics),
        "n_train": result.manifest.training["n_train"],
        "n_test": len(result.probabilities),
        "train_seconds": result.manifest.training["seconds"],
    }
