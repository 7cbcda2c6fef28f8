"""How much of a calibration error is chance: what probabilities that are exactly right would show as well.

A test part is finite: even perfect probabilities differ from the shares that happen in a bin. What lies
within the range of that is no evidence of miscalibration.

Source: Bröcker and Smith, "Increasing the Reliability of Reliability Diagrams", Weather and Forecasting 22
(2007), for the resampling and the bars.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation.measurement import equal_mass_bins

N_DRAWS = 1000
_LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Chance:
    """What outcomes drawn from the probabilities themselves show.

    Attributes:
        mean: Mean calibration error of the draws.
        low: Lower bound of 95 % of them.
        high: Upper bound.
        bars: Lower and upper bound of the share played through in each bin, (n_bins, 2).
    """

    mean: float
    low: float
    high: float
    bars: NDArray[np.float64]


def chance_of(probabilities: NDArray[np.float64], *, seed: int = 0) -> Chance:
    """Returns what outcomes that are drawn from probabilities, a thousand times, are measured as.

    Args:
        probabilities: Of playing through, (n_plays,).
        seed: Seed of the draws.
    """
    random = np.random.default_rng(seed)
    bins = equal_mass_bins(probabilities)
    predicted = np.array([probabilities[part].mean() for part in bins])
    # A bin at a time: all draws of all plays would be the largest thing of the run.
    shares = np.column_stack(
        [(random.random((N_DRAWS, len(part))) < probabilities[part]).mean(axis=1) for part in bins]
    )  # (n_draws, n_bins)
    weights = np.array([len(part) for part in bins]) / len(probabilities)
    errors = np.abs(shares - predicted) @ weights
    tails = ((1 - _LEVEL) / 2, (1 + _LEVEL) / 2)
    low, high = np.quantile(errors, tails)
    return Chance(float(errors.mean()), float(low), float(high), np.quantile(shares, tails, axis=0).T)


def debiased_error(probabilities: NDArray[np.float64], played_through: NDArray[np.bool_]) -> float:
    """Returns the root mean square calibration error over equal-mass bins, less what chance adds to it.

    0 where chance explains all of it. It weighs large gaps more than the expected calibration error does, so
    the two do not compare.

    Source: Kumar, Liang and Ma, "Verified Uncertainty Calibration", NeurIPS 2019, the debiased estimator.
    """
    total = 0.0
    for part in equal_mass_bins(probabilities):
        observed = float(played_through[part].mean())
        noise = observed * (1 - observed) / max(len(part) - 1, 1)
        total += len(part) * ((float(probabilities[part].mean()) - observed) ** 2 - noise)
    return float(np.sqrt(max(total / len(probabilities), 0.0)))
