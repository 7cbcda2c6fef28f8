"""The metrics are what they are called."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from trainer.evaluation.measurement import (
    auc_within_listeners,
    calibration_error,
    measure,
    predict_plays,
)


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


def test_auc_within_listeners_counts_pairs_of_one_listeners_plays() -> None:
    random = np.random.default_rng(4)
    probabilities, outcomes = random.random(120).round(1), random.random(120) < 0.6  # With ties.
    listener_of = random.integers(7, size=120)
    outcomes[listener_of == 3] = True  # One who hears out everything has no pair.
    right, n_pairs = 0.0, 0
    for heard in np.flatnonzero(outcomes):
        for skipped in np.flatnonzero(~outcomes):
            if listener_of[heard] == listener_of[skipped]:
                gap = probabilities[heard] - probabilities[skipped]
                right, n_pairs = right + (gap > 0) + 0.5 * (gap == 0), n_pairs + 1
    assert auc_within_listeners(probabilities, outcomes, listener_of) == pytest.approx(right / n_pairs)


def test_how_listeners_differ_does_not_count_in_the_auc_within_them() -> None:
    outcomes, listener_of = np.array([True, False, True, False]), np.array([0, 0, 1, 1])
    assert auc_within_listeners(np.array([0.9, 0.8, 0.2, 0.1]), outcomes, listener_of) == 1
    assert auc_within_listeners(np.array([0.9, 0.9, 0.1, 0.1]), outcomes, listener_of) == 0.5


def test_listeners_who_do_the_same_every_time_have_no_auc_within_them() -> None:
    outcomes, listener_of = np.array([True, True, False]), np.array([0, 0, 1])
    assert auc_within_listeners(np.array([0.9, 0.8, 0.2]), outcomes, listener_of) is None
