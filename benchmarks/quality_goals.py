"""What the tuned models are to reach, for strangers and for listeners whom they know."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table

Row = dict[str, Any]
Found = Mapping[tuple[str, str, str], Row]
"""Rows by split, model and recipe."""

_NAMES = {
    "accuracy": "accuracy", "roc_auc": "AUC", "log_loss": "log loss", "brier": "Brier", "ece": "ECE",
}  # fmt: skip
# Split, model, metric, whether it is a least value, value.
_FLOORS = (
    ("random", "simple", "accuracy", True, 0.778),
    ("random", "advanced", "accuracy", True, 0.784),
    ("random", "contextual", "accuracy", True, 0.790),
    ("random", "contextual", "roc_auc", True, 0.830),
    ("temporal", "contextual", "roc_auc", True, 0.822),
    ("temporal", "contextual", "brier", False, 0.162),
)
_LARGEST_ECE = {"random": 0.02, "temporal": 0.04}
# Log loss of listeners whom the models know, before they learnt to answer strangers; it may rise by so much.
_KNOWN_LOG_LOSS = {
    ("random", "simple"): 0.481, ("random", "advanced"): 0.460, ("random", "contextual"): 0.455,
    ("temporal", "simple"): 0.523, ("temporal", "advanced"): 0.485, ("temporal", "contextual"): 0.478,
}  # fmt: skip
_KNOWN_MARGIN = 0.003
# Of strangers: worse than a baseline by no more, and over all plays better than the past rate by at least.
_STRANGER_MARGIN = 0.005
_LEAST_GAIN = {"log_loss": 0.015, "roc_auc": 0.02}
_FROM_TEN_PLAYS = ("10-29", "30-99", "100-")


@dataclass(frozen=True)
class Goal:
    """One value that a model is to reach.

    Attributes:
        split: Split that it is measured on.
        model: Model.
        wanted: The goal, for people.
        found: What was measured; None where it could not be.
        met: Whether the goal is reached.
    """

    split: str
    model: str
    wanted: str
    found: float | None
    met: bool


def goals(rows: Sequence[Row]) -> list[Goal]:
    """Returns every goal of the tuned models that the rows can tell of."""
    found = {(row["split"], row["model"], row["recipe"]): row for row in rows}
    return [goal for key, row in found.items() if key[2] == "tuned" for goal in _goals_of(row, found)]


def _goals_of(row: Row, found: Found) -> Iterator[Goal]:
    yield from _strangers_goals(row, found) if row["split"] == "listener" else _known_goals(row, found)


def _strangers_goals(row: Row, found: Found) -> Iterator[Goal]:
    model = row["model"]
    constant, past_rate = found.get(("listener", "constant", "-")), found.get(("listener", "past_rate", "-"))
    if constant is not None:
        bare = found.get(("listener", model, "no context"), row)
        bound = constant["log_loss"] + _STRANGER_MARGIN
        yield _goal(bare, "log_loss", False, bound, "the constant's and .005, no history")
    if model != "contextual":
        return
    if constant is not None and past_rate is not None:
        yield from _band_goals(row, (constant, past_rate), _STRANGER_MARGIN, "the better baseline's and .005")
        bound = past_rate["log_loss"] - _LEAST_GAIN["log_loss"]
        yield _goal(row, "log_loss", False, bound, "the past rate's less .015")
        if past_rate["roc_auc"] is not None:
            bound = past_rate["roc_auc"] + _LEAST_GAIN["roc_auc"]
            yield _goal(row, "roc_auc", True, bound, "the past rate's and .02")
    trees = found.get(("listener", model, "LightGBM"))
    if trees is not None:
        yield from _band_goals(row, (trees,), 0.0, "LightGBM's", _FROM_TEN_PLAYS)


def _band_goals(
    row: Row, others: Sequence[Row], margin: float, source: str, labels: Sequence[str] = ()
) -> Iterator[Goal]:
    """Yields the goal of each band that has plays: at most so much above the best of the others."""
    for label in labels or row["by_known_plays"]:
        value = row["by_known_plays"][label]["log_loss"]
        if value is not None:
            bound = margin + min(other["by_known_plays"][label]["log_loss"] for other in others)
            band = {"split": row["split"], "model": row["model"], "log_loss": value}
            yield _goal(band, "log_loss", False, bound, f"{source}, {label} plays known")


def _known_goals(row: Row, found: Found) -> Iterator[Goal]:
    split, model = row["split"], row["model"]
    for its_split, its_model, metric, least, bound in _FLOORS:
        if (its_split, its_model) == (split, model):
            yield _goal(row, metric, least, bound)
    yield _goal(row, "ece", False, _LARGEST_ECE[split])
    if (split, model) in _KNOWN_LOG_LOSS:
        bound = _KNOWN_LOG_LOSS[split, model] + _KNOWN_MARGIN
        yield _goal(row, "log_loss", False, bound, "before strangers, and .003")
    trees = found.get((split, model, "LightGBM"))
    if trees is not None:
        yield _goal(row, "accuracy", True, trees["accuracy"] - 0.01, "LightGBM's less a point")
        yield _goal(row, "log_loss", False, trees["log_loss"] + 0.01, "LightGBM's and 0.01")
        yield _goal(row, "log_loss", False, trees["log_loss"], "LightGBM's, the target")
    bare, advanced = found.get((split, model, "no context")), found.get((split, "advanced", "tuned"))
    if bare is not None and advanced is not None:
        yield _goal(bare, "log_loss", False, advanced["log_loss"], "advanced's, without context")


def _goal(row: Row, metric: str, least: bool, bound: float, source: str = "") -> Goal:
    wanted = f"{_NAMES[metric]} {'≥' if least else '≤'} {bound:.4f}{f' ({source})' if source else ''}"
    value = row[metric]
    met = value is not None and (value >= bound if least else value <= bound)
    return Goal(row["split"], row["model"], wanted, value, met)


def goals_table(found: Sequence[Goal]) -> Table:
    """Returns one line a goal."""
    n_met = sum(goal.met for goal in found)
    title = f"goals: {n_met} of {len(found)} met"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for heading in ("split", "model", "goal", "measured", "met"):
        table.add_column(heading, justify="right" if heading == "measured" else "left")
    for goal in found:
        measured = "-" if goal.found is None else f"{goal.found:.4f}"
        table.add_row(goal.split, goal.model, goal.wanted, measured, "yes" if goal.met else "NO")
    return table
