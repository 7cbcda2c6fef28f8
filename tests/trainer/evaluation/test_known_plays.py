"""Each play counts in the band of what was known of its listener."""

import numpy as np
import pytest

from trainer.evaluation.known_plays import by_known_plays
from trainer.evaluation.measurement import measure

LABELS = ["0", "1-2", "3-9", "10-29", "30-99", "100-"]


def test_the_bands_hold_every_play_at_its_place() -> None:
    n_known = np.array([0, 1, 2, 3, 9, 10, 29, 30, 99, 100, 5000])
    random = np.random.default_rng(2)
    probabilities, outcomes = random.random(11), random.random(11) < 0.5
    listeners = np.arange(11)
    bands = by_known_plays(probabilities, outcomes, n_known, listeners, majority=True, threshold=0.4)
    assert [band.label for band in bands] == LABELS
    assert [band.n for band in bands] == [1, 2, 2, 2, 2, 2]
    expected = measure(probabilities[1:3], outcomes[1:3], majority=True, threshold=0.4)
    assert bands[1].metrics == expected
    found = bands[1].as_json()
    low, high = found.pop("ci95")["log_loss"]
    assert low < expected.log_loss < high, "two listeners, either of whom may be drawn twice"
    assert found == {
        "n": 2, "log_loss": expected.log_loss, "roc_auc": expected.roc_auc, "accuracy": expected.accuracy,
    }  # fmt: skip
    assert bands[0].intervals == {}, "one listener has none"


def test_an_empty_band_has_no_metrics_and_one_outcome_no_auc() -> None:
    heard, known = np.array([True, True]), np.array([1, 4])
    bands = by_known_plays(np.array([0.5, 0.5]), heard, known, np.arange(2), majority=True, threshold=0.5)
    nothing: dict[str, object] = {"n": 0, "log_loss": None, "roc_auc": None, "accuracy": None, "ci95": {}}
    one_play = {"n": 1, "log_loss": pytest.approx(np.log(2)), "roc_auc": None, "accuracy": 1.0, "ci95": {}}
    assert [band.as_json() for band in bands] == [nothing, one_play, one_play, nothing, nothing, nothing]
    assert [band.metrics is None for band in bands] == [True, False, False, True, True, True]
