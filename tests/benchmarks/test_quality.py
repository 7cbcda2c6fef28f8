"""A goal that is not reached is said not to be."""

from typing import Any

import pytest

from benchmarks.quality import strangers_table
from benchmarks.quality_goals import Row, goals, goals_table

BANDS = ("0", "1-2", "3-9", "10-29", "30-99", "100-")


def row(model: str, recipe: str, **changes: Any) -> dict[str, Any]:
    metrics = {"accuracy": 0.79, "roc_auc": 0.84, "log_loss": 0.46, "brier": 0.147, "ece": 0.02}
    return {"split": "random", "model": model, "recipe": recipe, **metrics, **changes}


def met(rows: list[dict[str, Any]]) -> dict[str, bool]:
    return {f"{goal.model}: {goal.wanted}": goal.met for goal in goals(rows)}


def test_every_goal_is_judged_by_its_own_number() -> None:
    rows = [
        row("advanced", "tuned", accuracy=0.7839, ece=0.0201),
        row("advanced", "published", accuracy=0.5),
        row("contextual", "tuned", log_loss=0.458),
        row("contextual", "no context", log_loss=0.4601),
        row("contextual", "LightGBM", accuracy=0.8001, log_loss=0.4579),
    ]
    assert met(rows) == {
        "advanced: accuracy ≥ 0.7840": False,
        "advanced: ECE ≤ 0.0200": False,
        "advanced: log loss ≤ 0.4630 (before strangers, and .003)": True,
        "contextual: accuracy ≥ 0.7900": True,
        "contextual: AUC ≥ 0.8300": True,
        "contextual: ECE ≤ 0.0200": True,
        "contextual: log loss ≤ 0.4580 (before strangers, and .003)": True,
        "contextual: accuracy ≥ 0.7901 (LightGBM's less a point)": False,
        "contextual: log loss ≤ 0.4679 (LightGBM's and 0.01)": True,
        "contextual: log loss ≤ 0.4579 (LightGBM's, the target)": False,
        "contextual: log loss ≤ 0.4600 (advanced's, without context)": False,
    }
    assert goals_table(goals(rows)).title == "goals: 6 of 11 met"


def test_what_cannot_be_measured_is_not_met_and_other_recipes_have_no_goals() -> None:
    assert met([row("contextual", "tuned", roc_auc=None)])["contextual: AUC ≥ 0.8300"] is False
    assert goals([row("simple", "published"), row("constant", "-")]) == []


def stranger(model: str, recipe: str, log_loss: float, bands: list[float | None], **changes: Any) -> Row:
    by_known_plays = {
        label: {"n": 0 if loss is None else 9, "log_loss": loss}
        for label, loss in zip(BANDS, bands, strict=True)
    }
    changes = {"by_known_plays": by_known_plays, "log_loss": log_loss, **changes}
    return row(model, recipe, split="listener", **changes)


def test_strangers_are_judged_by_the_baselines_and_by_band() -> None:
    rows = [
        stranger("constant", "-", 0.642, [0.64, 0.64, 0.64, 0.64, 0.64, None], roc_auc=0.5),
        stranger("past_rate", "-", 0.560, [0.65, 0.60, 0.58, 0.56, 0.55, None], roc_auc=0.74),
        stranger("simple", "tuned", 0.648, [0.64] * 6),
        stranger("contextual", "tuned", 0.545, [0.644, 0.606, 0.57, 0.55, 0.54, None], roc_auc=0.7601),
        stranger("contextual", "no context", 0.646, [0.64] * 6),
        stranger("contextual", "LightGBM", 0.54, [0.6, 0.6, 0.6, 0.551, 0.539, None]),
    ]
    better = "(the better baseline's and .005, {} plays known)"
    assert met(rows) == {
        "simple: log loss ≤ 0.6470 (the constant's and .005, no history)": False,
        "contextual: log loss ≤ 0.6470 (the constant's and .005, no history)": True,
        f"contextual: log loss ≤ 0.6450 {better.format('0')}": True,
        f"contextual: log loss ≤ 0.6050 {better.format('1-2')}": False,
        f"contextual: log loss ≤ 0.5850 {better.format('3-9')}": True,
        f"contextual: log loss ≤ 0.5650 {better.format('10-29')}": True,
        f"contextual: log loss ≤ 0.5550 {better.format('30-99')}": True,
        "contextual: log loss ≤ 0.5450 (the past rate's less .015)": True,
        "contextual: AUC ≥ 0.7600 (the past rate's and .02)": True,
        "contextual: log loss ≤ 0.5510 (LightGBM's, 10-29 plays known)": True,
        "contextual: log loss ≤ 0.5390 (LightGBM's, 30-99 plays known)": False,
    }
    table = strangers_table([row("simple", "tuned"), *rows])
    assert table.row_count == 1 + len(rows), "those of other splits are not of strangers"


@pytest.mark.parametrize(("loss", "reached"), [(0.481, True), (0.4811, False)])
def test_who_is_known_stays_as_well_served_as_before(loss: float, reached: bool) -> None:
    found = met([row("contextual", "tuned", split="temporal", log_loss=loss)])
    assert found["contextual: log loss ≤ 0.4810 (before strangers, and .003)"] is reached
    assert found["contextual: AUC ≥ 0.8220"]
