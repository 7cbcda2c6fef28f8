"""What the models are to reach on the real data, and whether they did."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table

Row = Mapping[str, Any]

_NAMES = {
    "accuracy": "accuracy", "roc_auc": "AUC", "log_loss": "log loss", "brier": "Brier", "ece": "ECE",
}  # fmt: skip
# Split, model, metric, whether it is a least value, value.
_FLOORS = (
    ("random", "simple", "accuracy", True, 0.778),
    ("random", "advanced", "accuracy", True, 0.784),
    ("random", "contextual", "accuracy", True, 0.790),
    ("random", "contextual", "roc_auc", True, 0.830),
    ("temporal", "contextual", "roc_auc", True, 0.812),
    ("temporal", "contextual", "brier", False, 0.162),
)
_LARGEST_ECE = {"random": 0.02, "temporal": 0.04}


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


def _goals_of(row: Row, found: Mapping[tuple[str, str, str], Row]) -> Iterator[Goal]:
    split, model = row["split"], row["model"]
    for its_split, its_model, metric, least, bound in _FLOORS:
        if (its_split, its_model) == (split, model):
            yield _goal(row, metric, least, bound)
    yield _goal(row, "ece", False, _LARGEST_ECE[split])
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
