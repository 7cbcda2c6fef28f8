"""The metrics are what they are called."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from trainer.evaluation.measurement import calibration_error, measure, predict_plays


class LengthPredictor:
    """Answers by the length of the track id and the number of favourite genres."""

    def predict(self, track_ids: list[str], favourite_genres: tuple[str, ...]) -> np.ndarray:
        return np.array([len(track_id) / 10 + len(favourite_genres) / 100 for track_id in track_ids])


def test_metrics_of_four_plays() -> None:
    found = measure(np.array([0.9, 0.6, 0.5, 0.2]), np.array([True, False, True, False]), majority=True)
    assert found.accuracy == 0.75
    assert found.majority_accuracy == 0.5
    assert found.roc_auc == 0.75
    assert found.brier == pytest.approx((0.01 + 0.36 + 0.25 + 0.04) / 4)
    assert found.log_loss == pytest.approx(-np.log([0.9, 0.4, 0.5, 0.8]).mean())
    assert found.ece == pytest.approx((0.1 + 0.6 + 0.5 + 0.2) / 4)


def test_the_metrics_are_scikit_learns_ties_included() -> None:
    random = np.random.default_rng(4)
    probabilities = random.random(300).round(2)
    outcomes = random.random(300) < probabilities
    found = measure(probabilities, outcomes, majority=True)
    assert found.roc_auc == pytest.approx(roc_auc_score(outcomes, probabilities))
    assert found.log_loss == pytest.approx(log_loss(outcomes, probabilities))
    assert found.brier == pytest.approx(brier_score_loss(outcomes, probabilities))


def test_the_threshold_decides_what_counts_as_played_through() -> None:
    probabilities, outcomes = np.array([0.4, 0.2]), np.array([True, False])
    assert measure(probabilities, outcomes, majority=True).accuracy == 0.5
    assert measure(probabilities, outcomes, majority=True, threshold=0.3).accuracy == 1


def test_one_outcome_has_no_roc_and_no_warning() -> None:
    found = measure(np.array([0.9, 0.6]), np.array([True, True]), majority=True)
    assert found.roc_auc is None
    assert "roc_auc" not in found.known()
    assert set(found.known()) == {"accuracy", "majority_accuracy", "log_loss", "brier", "ece"}


def test_certain_and_wrong_is_costly_but_finite() -> None:
    assert 10 < measure(np.array([1.0, 0.0]), np.array([False, True]), majority=True).log_loss < 100


def test_calibration_error_uses_bins_of_equal_mass() -> None:
    probabilities = np.repeat(np.linspace(0.05, 0.95, 15), 20)
    outcomes = np.tile(np.arange(20) < 10, 15)  # Half of every bin.
    assert calibration_error(probabilities, outcomes) == pytest.approx(
        np.abs(np.linspace(0.05, 0.95, 15) - 0.5).mean()
    )
    assert calibration_error(np.full(300, 0.5), outcomes) == pytest.approx(0)


def test_each_play_is_predicted_for_its_own_listener() -> None:
    plays = pd.DataFrame(
        {"track_id": ["aa", "b", "cccc", "b"], "favourite_genres": [["x"], ["x", "y"], ["x"], []]},
        index=[9, 3, 5, 1],
    )
    found = predict_plays(LengthPredictor(), plays)  # type: ignore[arg-type]
    assert found.tolist() == pytest.approx([0.21, 0.12, 0.41, 0.1])
