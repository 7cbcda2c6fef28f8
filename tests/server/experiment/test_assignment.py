from collections import Counter

import pytest

from server.experiment.assignment import Arm, Experiment, position


def equal_arms(models: list[str]) -> list[Arm]:
    return [Arm(model, model, "1", 1 / len(models)) for model in models]


@pytest.mark.parametrize(
    ("salt", "listener_id", "expected"),
    [
        # Test vectors for other languages: python3 -c of the docstring's recipe.
        ("model-comparison", "101", 6163581656991979 / 2**53),
        ("s", "żółw", 436544130266706 / 2**53),
    ],
)
def test_a_listener_has_the_same_place_in_every_process_and_language(
    salt: str, listener_id: str, expected: float
) -> None:
    assert position(salt, listener_id) == expected


def test_a_listener_keeps_its_arm_whatever_order_the_arms_come_in() -> None:
    arms = equal_arms(["simple", "advanced", "contextual"])
    one, other = Experiment("e", "salt", arms), Experiment("e", "salt", arms[::-1])
    for listener in range(200):
        assert one.choose(str(listener)) == other.choose(str(listener))


def test_another_salt_assigns_independently() -> None:
    arms = equal_arms(["a", "b"])
    one, other = Experiment("e", "salt", arms), Experiment("e", "pepper", arms)
    agreeing = sum(one.choose(str(n)) == other.choose(str(n)) for n in range(2000))
    assert 850 < agreeing < 1150


def test_listeners_spread_over_the_arms_by_probability() -> None:
    experiment = Experiment("e", "salt", [Arm("a", "a", "1", 0.2), Arm("b", "b", "1", 0.8)])
    counts = Counter(experiment.choose(str(listener)).name for listener in range(5000))
    assert 880 < counts["a"] < 1120  # 4 standard deviations around 1,000


def test_a_request_without_a_listener_draws_anew() -> None:
    draws = iter([0.1, 0.6, 0.999999])
    experiment = Experiment("e", "salt", equal_arms(["a", "b"]), draw=lambda: next(draws))
    assert [experiment.choose(None).name for _ in range(3)] == ["a", "b", "b"]


def test_probabilities_that_add_up_to_a_hair_below_one_leave_nobody_without_an_arm() -> None:
    experiment = Experiment(
        "e", "salt", [Arm("a", "a", "1", 0.3), Arm("b", "b", "1", 0.6)], draw=lambda: 0.99
    )
    assert experiment.choose(None).name == "b"
