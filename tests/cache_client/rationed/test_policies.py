"""What policies find offers worth."""

import numpy as np
import pytest

from cache_client.prefetch.plan import CurvePoint, Objective, TrackPrediction
from cache_client.rationed.policies import policies
from tests.cache_client.rationed.made_offers import offer

PATIENT, HASTY = (("x", False),) * 20, (("x", True),) * 20
OFFERS = [
    offer("a", duration_s=100.0, recent=PATIENT),
    offer("b", duration_s=200.0, recent=HASTY),
    offer("x", duration_s=100.0, recent=(*HASTY, ("x", False))),
]


def order(policy: str, objective: Objective, **models: list[TrackPrediction | None]) -> list[int]:
    """Returns the offers, the most worth first."""
    found = policies(OFFERS, models, next(iter(models), ""))[policy](objective)
    return [int(place) for place in np.argsort(-found, kind="stable")]


def test_the_simple_rules_order_as_they_are_named() -> None:
    assert order("shortest", Objective.BYTES) == [0, 2, 1]
    assert order("past-rate", Objective.BYTES) == [0, 2, 1]
    # Once heard out beats any rate; among tracks never heard before, the rate decides.
    assert order("replays", Objective.BYTES) == [2, 0, 1]
    assert order("replays", Objective.PLAYS) == [2, 0, 1]


def test_for_plays_a_track_half_as_long_is_worth_twice_as_much() -> None:
    same: list[TrackPrediction | None] = [TrackPrediction(0.6)] * 3
    found = policies(OFFERS, {"simple": same}, "simple")["simple"]
    assert found(Objective.BYTES).tolist() == pytest.approx([0.8] * 3)
    assert found(Objective.PLAYS).tolist() == pytest.approx([0.3, 0.15, 0.3])


def test_a_model_reads_the_probability_and_the_advisor_the_curve_too() -> None:
    early = TrackPrediction(0.6, (CurvePoint(10.0, 0.6), CurvePoint(90.0, 0.6)))
    said: list[TrackPrediction | None] = [early, TrackPrediction(0.5), TrackPrediction(0.4)]
    assert order("simple", Objective.BYTES, simple=said) == [0, 1, 2]
    assert order("advisor", Objective.BYTES, simple=said) == [1, 2, 0]


def test_a_track_that_a_model_does_not_know_has_the_listeners_rate() -> None:
    found = policies(OFFERS, {"simple": [None] * 3}, "simple")
    for name in ("simple", "advisor"):
        assert found[name](Objective.BYTES).tolist() == found["past-rate"](Objective.BYTES).tolist()


def test_without_a_model_there_is_no_advisor() -> None:
    assert list(policies(OFFERS, {}, "")) == ["shortest", "past-rate", "replays"]
