"""Tests that hold however often one looks: they may be read every day, and the experiment ended on them.

A fixed-time p value promises an error rate for one look, at a time chosen beforehand. These promise it for
all looks together.
"""

import math

from scipy.special import ndtri, stdtrit

from server.report.clustered import Estimate

MIN_CLUSTERS_PER_ARM = 10
"""Below this, an estimated variance is too rough for intervals that lean on a central limit theorem."""


def always_valid_p_value(estimate: Estimate, deviation: float) -> float:
    """Returns a p value that may be looked at any number of times.

    It is 1/L for the likelihood ratio L of "the difference is drawn from a normal distribution around zero
    with that deviation" to "there is none", taking the estimate as normal with its variance. L has mean 1
    without a difference, so that it ever reaches 20 with probability 1/20 at most (Ville's inequality).
    Source: Robbins, Ann. Math. Stat. 1970; as the mixture SPRT of A/B tests: Johari, Koomen, Pekelis and
        Walsh,
    Operations Research 2022; with an estimated variance it holds asymptotically: Waudby-Smith, Arbour, Sinha,
    Kennedy and Ramdas, Annals of Statistics 2024.

    Args:
        estimate: A difference.
        deviation: The size of difference that the test is quickest to find, fixed beforehand. Any is valid.
    """
    variance = _widened(estimate)
    if not variance > 0:
        return 1.0
    ratio = deviation**2 / variance
    log_l = 0.5 * (estimate.value**2 / variance * ratio / (1 + ratio) - math.log1p(ratio))
    return min(1.0, math.exp(-log_l))


def always_valid_interval(estimate: Estimate, deviation: float, alpha: float = 0.05) -> tuple[float, float]:
    """Returns the interval of all differences that the test above does not reject at `alpha`."""
    variance = _widened(estimate)
    ratio = deviation**2 / variance
    half = math.sqrt(variance * (1 + 1 / ratio) * (math.log1p(ratio) - 2 * math.log(alpha)))
    return estimate.value - half, estimate.value + half


def _widened(estimate: Estimate) -> float:
    """Returns a variance that makes up for being estimated from few clusters, as a t distribution does."""
    if estimate.degrees_of_freedom <= 0:
        return math.nan
    factor = float(stdtrit(estimate.degrees_of_freedom, 0.975) / ndtri(0.975))
    return estimate.variance * factor**2
