"""Bootstrap intervals of the metrics over the listeners of a test part."""

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation.measurement import measure

N_RESAMPLES = 500
_LEVEL = 0.95
# One listener drawn again and again is the same each time: that is no interval.
_FEWEST_LISTENERS = 2
_NAMES = ("accuracy", "roc_auc", "log_loss", "brier", "ece")

Intervals = dict[str, tuple[float, float]]
"""Lower and upper bound by metric name."""


def bootstrap_intervals(
    probabilities: NDArray[np.float64],
    played_through: NDArray[np.bool_],
    listener_of: NDArray[np.int64],
    *,
    threshold: float = 0.5,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> Intervals:
    """Returns 95 % percentile intervals of every metric, from listeners drawn with replacement; none of one.

    A listener's plays are alike: drawn one by one they would make a test part seem to tell more than it does.
    The calibration error of a resample is larger than the sample's own, since chance adds to every bin: read
    its interval as an upper one.

    Source: Field and Welsh, "Bootstrapping clustered data", JRSS B 69 (2007), the cluster bootstrap.

    Args:
        probabilities: Of playing through, (n_plays,).
        played_through: What happened, (n_plays,).
        listener_of: Listener of each play, from 0, (n_plays,).
        threshold: Probability from which a play counts as played through.
        seed: Seed of the draws.
        n_resamples: Number of draws.
    """
    random = np.random.default_rng(seed)
    order = np.argsort(listener_of, kind="stable")
    plays_of = np.split(order, np.flatnonzero(np.diff(listener_of[order])) + 1)
    if len(plays_of) < _FEWEST_LISTENERS:
        return {}
    draws = []
    for _ in range(n_resamples):
        drawn = random.integers(len(plays_of), size=len(plays_of))
        rows = np.concatenate([plays_of[listener] for listener in drawn])
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
