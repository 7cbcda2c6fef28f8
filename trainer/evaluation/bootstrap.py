"""Bootstrap intervals of the metrics over the plays of a test part."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from trainer.evaluation.measurement import calibration_error

N_RESAMPLES = 500
_LEVEL = 0.95
_SMALLEST = 1e-15

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
    draws: list[dict[str, float]] = []
    for _ in range(n_resamples):
        rows = random.integers(len(probabilities), size=len(probabilities))
        draws.append(_metrics(probabilities[rows], played_through[rows], threshold))
    tail = (1 - _LEVEL) / 2
    intervals: Intervals = {}
    for name in draws[0]:
        values = np.array([draw[name] for draw in draws])
        known = values[np.isfinite(values)]
        if len(known):
            low, high = np.quantile(known, (tail, 1 - tail))
            intervals[name] = (float(low), float(high))
    return intervals


def _metrics(
    probabilities: NDArray[np.float64], played_through: NDArray[np.bool_], threshold: float
) -> dict[str, float]:
    given = np.clip(np.where(played_through, probabilities, 1 - probabilities), _SMALLEST, 1)
    return {
        "accuracy": float(np.mean((probabilities >= threshold) == played_through)),
        "roc_auc": rank_auc(probabilities, played_through),
        "log_loss": float(-np.log(given).mean()),
        "brier": float(np.square(probabilities - played_through).mean()),
        "ece": calibration_error(probabilities, played_through),
    }


def rank_auc(probabilities: NDArray[np.float64], played_through: NDArray[np.bool_]) -> float:
    """Returns the area under the ROC curve from mid-ranks; NaN with one outcome only.

    Many times quicker than drawing the curve, which counts in a bootstrap.
    """
    n_positive = int(played_through.sum())
    n_negative = len(played_through) - n_positive
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    rank_sum = rankdata(probabilities)[played_through].sum()
    return float((rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))
