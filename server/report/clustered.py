"""Estimates whose uncertainty counts listeners, not plays: a listener's plays resemble each other.

Each estimate is a sum of what every play contributes to its error (its influence); the variance sums a
listener's contributions before squaring them. Source: Liang and Zeger, "Longitudinal data analysis using
generalized linear models", Biometrika 1986, with the usual factor G/(G-1) for G listeners. For means and
their differences this is statsmodels' `cov_type="cluster"` up to its factor (n-1)/(n-k); a test holds them
together.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit  # Student's t; scipy.stats takes a hundred times as long

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and how uncertain it is.

    Attributes:
        value: The figure.
        variance: Its variance; NaN when fewer than two listeners tell.
        n_clusters: How many listeners tell.
        degrees_of_freedom: Of the t distribution that its interval uses.
    """

    value: float
    variance: float
    n_clusters: int
    degrees_of_freedom: int

    @property
    def standard_error(self) -> float:
        """Returns the square root of the variance."""
        return math.sqrt(self.variance)

    @property
    def ci95(self) -> tuple[float, float] | None:
        """Returns the 95 % interval, or None when there is too little to tell."""
        if not self.degrees_of_freedom > 0 or math.isnan(self.variance):
            return None
        half = float(stdtrit(self.degrees_of_freedom, 0.975)) * self.standard_error
        return self.value - half, self.value + half

    @property
    def p_value(self) -> float | None:
        """Returns the two-sided p value against zero, or None when there is too little to tell."""
        if self.degrees_of_freedom <= 0 or not self.variance > 0:
            return None
        return float(2 * stdtr(self.degrees_of_freedom, -abs(self.value) / self.standard_error))


def mean(values: Floats, clusters: Codes) -> Estimate:
    """Estimates a mean.

    Args:
        values: (n,), at least one.
        clusters: Who each belongs to, as small integers, (n,).
    """
    middle = float(values.mean())
    return _estimate(middle, (values - middle) / len(values), clusters, n_parameters=1)


def difference(values: Floats, second: NDArray[np.bool_], clusters: Codes) -> Estimate:
    """Estimates the mean of the second group minus that of the first.

    Args:
        values: (n,).
        second: Which values belong to the second group, (n,); both groups have some.
        clusters: Who each belongs to, (n,); the same one may be in both groups.
    """
    influence = np.empty(len(values))
    means = []
    for sign, group in ((-1, ~second), (1, second)):
        middle = float(values[group].mean())
        means.append(middle)
        influence[group] = sign * (values[group] - middle) / np.count_nonzero(group)
    return _estimate(means[1] - means[0], influence, clusters, n_parameters=2)


def roc_auc(positive: NDArray[np.bool_], scores: Floats, clusters: Codes) -> Estimate | None:
    """Estimates the area under the ROC curve: how often a positive scores above a negative, ties by half.

    A play's influence is its placement: the share of the other class that it stands on the right side of.
    Source: DeLong et al., Biometrics 1988; for clusters Obuchowski, Biometrics 1997.

    Args:
        positive: The class of each, (n,).
        scores: Higher for what looks positive, (n,).
        clusters: Who each belongs to, (n,).

    Returns:
        The estimate, or None when one class is missing.
    """
    n_positive = int(np.count_nonzero(positive))
    n_negative = len(positive) - n_positive
    if not n_positive or not n_negative:
        return None
    placement = np.empty(len(scores))
    for group in (positive, ~positive):
        others = np.sort(scores[~group])
        below = np.searchsorted(others, scores[group], "left")
        upto = np.searchsorted(others, scores[group], "right")
        placement[group] = (below + upto) / 2 / len(others)
    placement[~positive] = 1 - placement[~positive]
    area = float(placement[positive].mean())
    size = np.where(positive, n_positive, n_negative)
    return _estimate(area, (placement - area) / size, clusters, n_parameters=1)


def _estimate(value: float, influence: Floats, clusters: Codes, n_parameters: int) -> Estimate:
    """Sums the influence of each cluster, and squares the sums."""
    sums = np.bincount(clusters, weights=influence)
    n_clusters = int(np.count_nonzero(np.bincount(clusters)))
    variance = n_clusters / (n_clusters - 1) * float(sums @ sums) if n_clusters > 1 else math.nan
    return Estimate(value, variance, n_clusters, n_clusters - n_parameters)
