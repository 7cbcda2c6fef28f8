"""A run's results for people and for programs."""

from collections.abc import Callable, Sequence
from typing import Any

from rich.table import Table

from trainer.evaluation.chance import chance_of
from trainer.evaluation.leaderboard import Leaderboard
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
    "plays to test on": lambda result: f"{len(result.tested.probabilities):,}",
    "training time, s": lambda result: f"{result.manifest.training['seconds']:.1f}",
    "exported version": lambda result: result.manifest.version,
}


def _by_chance(result: Trained) -> str:
    chance = chance_of(result.tested.probabilities)
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


def known_plays_table(results: Sequence[Trained], leaderboard: Leaderboard) -> Table:
    """Returns the log loss of models and baselines by how many of the listener's plays were known before."""
    scores = [*map(leaderboard.model, results), *leaderboard.baselines(), *leaderboard.trees(results)]
    table = Table(title="strangers: log loss by how many of the listener's plays were known")
    table.add_column("plays known")
    bands = scores[0].bands
    for label in (*(band.label for band in bands), "all"):
        table.add_column(label, justify="right", no_wrap=True)
    n_plays = len(leaderboard.parts.test_rows)
    table.add_row("plays", *(f"{n:,}" for n in (*(band.n for band in bands), n_plays)), end_section=True)
    for score in scores:
        losses = ["-" if band.metrics is None else f"{band.metrics.log_loss:.3f}" for band in score.bands]
        table.add_row(score.name.replace("_", " "), *losses, f"{score.metrics.log_loss:.3f}")
    return table


def results_content(results: Sequence[Trained], leaderboard: Leaderboard) -> dict[str, Any]:
    """Returns the models' and the baselines' entries of the trainer's `--json` file."""
    baselines = leaderboard.baselines()
    if leaderboard.parts.rounds:  # Trees take their time: they are grown where strangers are judged.
        baselines += leaderboard.trees(results)
    return {
        "models": {result.name: _model_content(result, leaderboard) for result in results},
        "baselines": {score.name: score.as_json() for score in baselines},
    }


def _model_content(result: Trained, leaderboard: Leaderboard) -> dict[str, Any]:
    without_context = leaderboard.without_context(result)
    return {
        "version": result.manifest.version,
        "refitted": result.manifest.refitted,
        **leaderboard.model(result).as_json(),
        **({} if without_context is None else {"without_context": without_context.as_json()}),
        "n_train": result.manifest.training["n_train"],
        "n_test": len(result.tested.probabilities),
        "train_seconds": result.manifest.training["seconds"],
    }
