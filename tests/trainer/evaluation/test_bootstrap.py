"""The intervals hold the value they are of."""

import numpy as np
import pytest

from trainer.evaluation.bootstrap import bootstrap_intervals

Drawn = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture
def drawn() -> Drawn:
    """Probabilities, outcomes and as many listeners as plays."""
    random = np.random.default_rng(4)
    probabilities = random.random(300).round(2)  # With ties.
    return probabilities, random.random(300) < probabilities, np.arange(300)


def test_intervals_hold_the_value_and_repeat(drawn: Drawn) -> None:
    found = bootstrap_intervals(*drawn, n_resamples=200)
    assert set(found) == {"accuracy", "roc_auc", "log_loss", "brier", "ece"}
    assert found == bootstrap_intervals(*drawn, n_resamples=200)
    brier = float(np.square(drawn[0] - drawn[1]).mean())
    low, high = found["brier"]
    assert low < brier < high
    assert high - low < 0.06


def test_one_outcome_has_no_interval_of_the_auc(drawn: Drawn) -> None:
    found = bootstrap_intervals(drawn[0], np.ones(300, dtype=bool), drawn[2], n_resamples=20)
    assert "roc_auc" not in found
    assert np.isfinite(found["log_loss"]).all()


def test_whole_listeners_are_drawn(drawn: Drawn) -> None:
    """Thirty plays that are one and the same tell no more than one: ten listeners leave wide intervals."""
    probabilities, outcomes, own = drawn
    ten = np.repeat(np.arange(10), 30)
    copied = probabilities[ten * 30], outcomes[ten * 30]
    low, high = bootstrap_intervals(*copied, ten, n_resamples=200)["brier"]
    one_by_one = bootstrap_intervals(*copied, own, n_resamples=200)["brier"]
    assert high - low > 3 * (one_by_one[1] - one_by_one[0])


def test_a_listeners_plays_stay_together_in_whatever_order_they_come(drawn: Drawn) -> None:
    probabilities, outcomes, _ = drawn
    listener_of = np.arange(300) % 20
    order = np.argsort(listener_of, kind="stable")
    mixed = bootstrap_intervals(probabilities, outcomes, listener_of, n_resamples=50)
    sorted_ = bootstrap_intervals(probabilities[order], outcomes[order], listener_of[order], n_resamples=50)
    assert {name: pytest.approx(pair) for name, pair in mixed.items()} == sorted_


def test_one_listener_has_no_interval(drawn: Drawn) -> None:
    assert bootstrap_intervals(drawn[0], drawn[1], np.zeros(300, dtype=np.int64), n_resamples=20) == {}
