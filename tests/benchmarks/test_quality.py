"""A goal that is not reached is said not to be."""

from typing import Any

from benchmarks.quality import goals, goals_table


def row(model: str, recipe: str, **changes: Any) -> dict[str, Any]:
    metrics = {"accuracy": 0.79, "roc_auc": 0.84, "log_loss": 0.46, "brier": 0.147, "ece": 0.02}
    return {"split": "random", "model": model, "recipe": recipe, **metrics, **changes}


def met(rows: list[dict[str, Any]]) -> dict[str, bool]:
    return {f"{goal.model}: {goal.wanted}": goal.met for goal in goals(rows)}


def test_every_goal_is_judged_by_its_own_number() -> None:
    rows = [
        row("advanced", "tuned", accuracy=0.7839, ece=0.0201),
        row("advanced", "published", accuracy=0.5),
        row("contextual", "tuned"),
        row("contextual", "no context", log_loss=0.4601),
        row("contextual", "LightGBM", accuracy=0.8001, log_loss=0.4599),
    ]
    assert met(rows) == {
        "advanced: accuracy ≥ 0.7840": False,
        "advanced: ECE ≤ 0.0200": False,
        "contextual: accuracy ≥ 0.7900": True,
        "contextual: AUC ≥ 0.8300": True,
        "contextual: ECE ≤ 0.0200": True,
        "contextual: accuracy ≥ 0.7901 (LightGBM's less a point)": False,
        "contextual: log loss ≤ 0.4699 (LightGBM's and 0.01)": True,
        "contextual: log loss ≤ 0.4599 (LightGBM's, the target)": False,
        "contextual: log loss ≤ 0.4600 (advanced's, without context)": False,
    }
    assert goals_table(goals(rows)).title == "goals: 4 of 9 met"


def test_what_cannot_be_measured_is_not_met_and_other_recipes_have_no_goals() -> None:
    assert met([row("contextual", "tuned", roc_auc=None)])["contextual: AUC ≥ 0.8300"] is False
    assert goals([row("simple", "published"), row("majority", "-")]) == []
