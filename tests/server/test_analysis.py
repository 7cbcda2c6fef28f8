import math

import pytest

from server.experiment.analysis import JudgedPrediction, judge, to_json


def test_the_figures_of_a_hand_worked_arm() -> None:
    arm = judge(
        [
            JudgedPrediction("a", 0.8, False, False),
            JudgedPrediction("a", 0.4, True, True),
            JudgedPrediction("a", 0.9, False, True),
            JudgedPrediction("a", 0.5, False, None),
        ]
    )["a"]
    assert (arm.n, arm.n_outcomes) == (4, 3)
    assert arm.accuracy == pytest.approx(2 / 3)
    assert arm.log_loss == pytest.approx(-(math.log(0.8) + math.log(0.6) + math.log(0.1)) / 3)
    assert arm.brier == pytest.approx((0.2**2 + 0.4**2 + 0.9**2) / 3)
    assert arm.accuracy_ci95 == pytest.approx((0.20766, 0.93851), abs=1e-4)  # Wilson, 2 of 3


def test_arms_are_judged_apart_and_one_without_outcomes_claims_nothing() -> None:
    arms = judge([JudgedPrediction("b", 0.5, False, None), JudgedPrediction("a", 1.0, False, False)])
    assert list(arms) == ["a", "b"]
    assert arms["a"].log_loss == pytest.approx(0, abs=1e-9)
    assert (arms["b"].n, arms["b"].accuracy, arms["b"].brier) == (1, None, None)


def test_the_join_rate_is_over_all_arms() -> None:
    arms = judge([JudgedPrediction("b", 0.5, False, None), JudgedPrediction("a", 1.0, False, False)])
    health = to_json(arms, waiting=3, dead_letters=1)["health"]
    assert health == {
        "n": 2,
        "n_outcomes": 1,
        "outcome_join_rate": 0.5,
        "n_waiting_in_spool": 3,
        "n_dead_letters": 1,
    }
    assert to_json({}, 0, 0)["health"]["outcome_join_rate"] is None
