"""The intervals hold the value they are of."""

import numpy as np
import pytest

from trainer.evaluation.bootstrap import bootstrap_intervals


@pytest.fixture
def drawn() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(4)
    probabilities = random.random(300).round(2)  # With ties.
    return probabilities, random.random(300) < probabilities


def test_intervals_hold_the_value_and_repeat(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    found = bootstrap_intervals(*drawn, n_resamples=200)
    assert set(found) == {"accuracy", "roc_auc", "log_loss", "brier", "ece"}
    assert found == bootstrap_intervals(*drawn, n_resamples=200)
    brier = float(np.square(drawn[0] - drawn[1]).mean())
    low, high = found["brier"]
    assert low < brier < high
    assert high - low < 0.06


def test_one_outcome_has_no_interval_of_the_auc(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    found = bootstrap_intervals(drawn[0], np.ones(300, dtype=bool), n_resamples=20)
    assert "roc_auc" not in found
    assert np.isfinite(found["log_loss"]).all()
