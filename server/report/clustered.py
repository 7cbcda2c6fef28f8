"""Estimates whose uncertainty counts listeners, not plays: a listener's plays resemble each other.

The error of a mean is a sum of what every listener contributes (the influence), and its variance the sum of
their squares. Source: Liang and Zeger, "Longitudinal data analysis using generalized linear models",
Biometrika 1986. Few listeners, or unequally active ones, make that sum too small and too uncertain: it is
corrected for the first and gets Student's t for the second, as in Bell and McCaffrey, "Bias reduction in
standard errors for linear regression with multi-stage samples", Survey Methodology 2002, under the working
model that the plays of a listener are alike.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, stdtr, stdtrit  # Student's t; scipy.stats takes a hundred times as long

from server.report.moments import Codes, Floats, Moments, moments, sums

MIN_LISTENERS = 20
"""Fewer effective listeners in an arm tell too little of how far chance goes."""

MAX_SKEWNESS = 0.4
"""Of an error that passes for a normal one. A share's is below it from six of the rarer event on: 1/√6."""

_NO_VARIATION = 1e-12  # what rounding leaves of a variance, relative to the squares that it comes from


@dataclass(frozen=True, slots=True)
class Estimate:
    """Figures and how uncertain each is: arrays of one shape, without axes for a single figure.

    Attributes:
        value: The figure.
        variance: Its variance.
        degrees_of_freedom: Of the t distribution that its error has, divided by its standard error.
        skewness: Of its error.
        listeners: How many listeners tell, the effective ones; of two arms, in the smaller.
        varied: Whether listeners differ at all.
    """

    value: Floats
    variance: Floats
    degrees_of_freedom: Floats
    skewness: Floats
    listeners: Floats
    varied: NDArray[np.bool_]

    def __getitem__(self, key: int | Codes) -> "Estimate":
        """Returns the estimates at places of the arrays."""
        return Estimate(*(np.asarray(getattr(self, f.name)[key]) for f in fields(self)))

    @property
    def tells(self) -> NDArray[np.bool_]:
        """Returns where there is enough for an interval or a p value."""
        enough = (self.listeners >= MIN_LISTENERS) & (np.abs(self.skewness) <= MAX_SKEWNESS)
        return enough & self.varied

    @property
    def half_width95(self) -> Floats:
        """Returns half the width of the 95 % interval for one look."""
        return np.asarray(stdtrit(self.degrees_of_freedom, 0.975) * np.sqrt(self.variance), dtype=np.float64)

    @property
    def log_p_value(self) -> Floats:
        """Returns the natural logarithm of the two-sided p value against zero, for one look."""
        with np.errstate(divide="ignore", invalid="ignore"):  # where nothing varies, or one listener tells
            squared = self.value**2 / self.variance
            p_value = 2 * stdtr(self.degrees_of_freedom, -np.sqrt(squared))
            far = np.log(2) + log_ndtr(-np.sqrt(normal_square(squared, self.degrees_of_freedom)))
        told = np.where(p_value > 1e-250, np.log(np.maximum(p_value, 1e-250)), far)
        return np.asarray(told, dtype=np.float64)

    @property
    def ci95(self) -> tuple[float, float] | None:
        """Returns the 95 % interval of a single figure, or None when there is too little to tell."""
        if not self.tells:
            return None
        return float(self.value - self.half_width95), float(self.value + self.half_width95)


def normal_square(t_squared: Floats, degrees_of_freedom: Floats) -> Floats:
    """Returns z² for t², such that |z| is as rare under a normal as |t| under Student's distribution.

    Source: Wallace, "Bounds on normal approximations to Student's and the chi-square distributions", Ann.
    Math. Stat. 1959. It is good to 2 % and, unlike tails, does not underflow.
    """
    return _wallace(degrees_of_freedom) * np.log1p(t_squared / degrees_of_freedom)


def student_square(z_squared: Floats, degrees_of_freedom: Floats) -> Floats:
    """Returns t² for z²; see `normal_square`."""
    with np.errstate(over="ignore"):  # infinite where no t is rare enough
        return degrees_of_freedom * np.expm1(z_squared / _wallace(degrees_of_freedom))


def _wallace(degrees_of_freedom: Floats) -> Floats:
    return degrees_of_freedom * ((8 * degrees_of_freedom + 1) / (8 * degrees_of_freedom + 3)) ** 2


def arm_mean(arm: Moments) -> Estimate:
    """Estimates the mean of an arm's plays.

    The variance is right on average, however unequally active listeners are, when the plays of one are
    alike; for equally active ones the correction is the usual G/(G-1).
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN where nobody played, and that tells nothing
        mean = arm.s / arm.n
        squares, cubes = arm.around(mean)
        two, three = arm.nn / arm.n**2, arm.nnn / arm.n**3
        variance = squares / arm.n**2 * two / (two - 2 * three + two**2)
        skewness = cubes / squares**1.5
        listeners = arm.effective_listeners
    return Estimate(mean, variance, listeners - 1, skewness, listeners, squares > _NO_VARIATION * arm.ss)


def difference(first: Moments, second: Moments) -> Estimate:
    """Estimates the mean of the second arm minus that of the first.

    Each arm has its own variance, but none less than as many listeners of both arms together would have: ten
    who were all predicted right do not show that chance plays no part. So too the skewness: its size as the
    arms are, or as it is of arms that are alike, whichever is greater. Degrees of freedom: Welch, Biometrika
    1947.
    """
    both = first + second
    arms = first, second
    with np.errstate(divide="ignore", invalid="ignore"):
        squares, cubes = both.around(both.s / both.n)
        shares = [arm.listeners / both.listeners for arm in arms]
        floors = [share * squares / arm.n**2 for share, arm in zip(shares, arms, strict=True)]
        thirds = [share * cubes / arm.n**3 for share, arm in zip(shares, arms, strict=True)]
        own = [arm_mean(arm) for arm in arms]
        variances = [np.maximum(each.variance, floor) for each, floor in zip(own, floors, strict=True)]
        # An arm whose plays all ended alike has no skewness of its own, as it has no variance.
        own_thirds = [np.where(each.varied, each.skewness * each.variance**1.5, 0.0) for each in own]
        variance = variances[0] + variances[1]
        skewness = np.maximum(
            np.abs(thirds[1] - thirds[0]) / (floors[0] + floors[1]) ** 1.5,
            np.abs(own_thirds[1] - own_thirds[0]) / variance**1.5,
        )
        parts = [v**2 / each.degrees_of_freedom for v, each in zip(variances, own, strict=True)]
        return Estimate(
            value=own[1].value - own[0].value,
            variance=variance,
            degrees_of_freedom=variance**2 / (parts[0] + parts[1]),
            skewness=skewness,
            listeners=np.minimum(own[0].listeners, own[1].listeners),
            varied=squares > _NO_VARIATION * both.ss,
        )


def mean(values: Floats, clusters: Codes) -> Estimate:
    """Estimates a mean.

    Args:
        values: (n,), at least one.
        clusters: Whose each is, as small integers, (n,).
    """
    plays = np.bincount(clusters)
    totals = sums(clusters, values, len(plays))
    return arm_mean(moments(plays[plays > 0].astype(np.float64), totals[plays > 0]))


def roc_auc(positive: NDArray[np.bool_], scores: Floats, clusters: Codes) -> Estimate | None:
    """Estimates the area under the ROC curve: how often a positive scores above a negative, ties by half.

    A play's influence is its placement: the share of the other class that it stands on the right side of.
    Source: DeLong et al., Biometrics 1988; for clusters Obuchowski, Biometrics 1997.

    Args:
        positive: The class of each, (n,).
        scores: Higher for what looks positive, (n,).
        clusters: Whose each is, (n,).

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
    area = placement[positive].mean()
    influence = len(scores) * (placement - area) / np.where(positive, n_positive, n_negative)
    return replace(mean(influence, clusters), value=np.asarray(area))
