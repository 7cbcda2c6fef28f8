"""The halves stand apart, and a goal is judged on the traces held out."""

import pytest

from benchmarks.challenge.figures import figures, goals
from benchmarks.challenge.session import Row


def row(trace: int, user: int, score: float) -> Row:
    return Row("chunk_planner", "low", trace, user, score, 60.0, 70.0, 5.0, 2.0, 80.0, 9.0, 3.0)


def test_development_says_nothing_of_the_goal() -> None:
    rows = [row(0, 0, 90.0), row(2, 1, 90.0), row(1, 0, 20.0), row(3, 0, 30.0), row(1, 1, 31.0)]
    found = {it["half"]: it for it in figures(rows)}
    # Users weigh alike: (25 + 31) / 2.
    assert found["held out"]["score"] == pytest.approx(28.0)
    assert found["held out"]["score_ci95"] == pytest.approx([25.0, 31.0])
    assert found["development"]["score"] == 90.0
    assert list(goals(figures(rows), "chunk_planner")) == [
        ("chunk_planner has 28 points on low", "28.0", True)
    ]
    assert [met for *_, met in goals(figures([*rows, row(5, 1, 0.0)]), "chunk_planner")] == [False]
