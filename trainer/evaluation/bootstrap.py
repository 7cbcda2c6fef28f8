"""Bootstrap intervals of the metrics over the plays of a test part."""

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation.measurement import measure

N_RESAMPLES = 500
_LEVEL = 0.95
_NAMES = ("accuracy", "roc_auc", "log_loss", "brier", "ece")

Intervals = dict[str, tuple[float, float]]
"""Lower and upper bound by metric name."""


def bootstrap_intervals(
    probabilities: NDArray[np.float64],
    played_through: NDArray[np.bool_],
    *,
    threshold: float = 0.5,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> Intervals:
    """Returns 95 % percentile intervals of every metric, from plays drawn with replacement.

    The calibration error of a resample is larger than the sample's own, since chance adds to every bin: read
    its interval as an upper one.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.

    Args:
        probabilities: Of playing through, (n_plays,).
        played_through: What happened, (n_plays,).
        threshold: Probability from which a play counts as played through.
        seed: Seed of the draws.
        n_resamples: Number of draws.
    """
    random = np.random.default_rng(seed)
    draws = []
    for _ in range(n_resamples):
        rows = random.integers(len(probabilities), size=len(probabilities))
        found = measure(probabilities[rows], played_through[rows], majority=True, threshold=threshold)
        draws.append(found.known())
    tails = ((1 - _LEVEL) / 2, (1 + _LEVEL) / 2)
    intervals: Intervals = {}
    for name in _NAMES:
        values = [draw[name] for draw in draws if name in draw]
        if values:
            low, high = np.quantile(values, tails)
            intervals[name] = (float(low), float(high))
    return intervals
