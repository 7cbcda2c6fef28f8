"""Tests that hold however often one looks: they may be read every day, and the experiment ended on them.

A fixed-time p value promises an error rate for one look, at a time chosen beforehand. These promise it for
all looks together.
"""

import math

import numpy as np

from server.report.clustered import Estimate, normal_square, student_square
from server.report.moments import Floats

_SCALES = (1.0, 10.0)  # small differences, and those of a model that is plainly broken
_HALVINGS = 60  # of an interval, down to the last bit


def always_valid_log_p_value(estimate: Estimate, effect: float) -> Floats:
    """Returns the natural logarithm of a p value that may be looked at any number of times.

    It is 1/L for the likelihood ratio L of "the difference is drawn from a normal distribution around zero"
    to "there is none". Without a difference L is a fair bet: a martingale that starts at 1, so that it ever
    reaches 20 with probability 1/20 at most (Ville's inequality). So is the mean of two such bets: one on
    differences of about `effect`, and one on those ten times as large.
    Source: Robbins, Ann. Math. Stat. 1970; as the mixture SPRT of A/B tests: Johari, Koomen, Pekelis and
    Walsh, Operations Research 2022; with an estimated variance it holds asymptotically: Waudby-Smith, Arbour,
    Sinha, Kennedy and Ramdas, Annals of Statistics 2024. For few listeners the difference, divided by its
    standard error, is first brought from Student's distribution to the normal one.

    Args:
        estimate: Differences; what does not tell is for the caller to leave out.
        effect: The size of difference that is worth finding, fixed beforehand. Any is valid.
    """
    squared = normal_square(estimate.value**2 / estimate.variance, estimate.degrees_of_freedom)
    return np.minimum(0.0, -_log_bet(squared, effect**2 / estimate.variance))


def always_valid_half_width(estimate: Estimate, effect: float, alpha: float = 0.05) -> Floats:
    """Returns half the width of the interval of all differences that the test does not reject at `alpha`.

    It is infinite where the variance is too large for any difference to be found.
    """
    squared = _critical_square(effect**2 / estimate.variance, alpha)
    return np.sqrt(estimate.variance * student_square(squared, estimate.degrees_of_freedom))


def needed_ratio(alpha: float, power: float) -> float:
    """Returns how many standard errors `effect` has to be for one look to find it with that power.

    That is, of the test above at `alpha`.
    """
    from scipy.optimize import brentq  # takes a while
    from scipy.special import ndtri

    def excess(ratio: float) -> float:
        return ratio - math.sqrt(_critical_square(np.asarray(ratio**2), alpha)) - float(ndtri(power))

    return float(brentq(excess, 1, 100))


def _log_bet(z_squared: Floats, precision: Floats) -> Floats:
    """Returns log L for (z²), and for the square of `effect` over the variance."""
    bets = []
    for scale in _SCALES:
        ratio = scale**2 * precision
        bets.append(0.5 * (z_squared * ratio / (1 + ratio) - np.log1p(ratio)))
    return np.logaddexp(*bets) - math.log(len(_SCALES))


def _critical_square(precision: Floats, alpha: float) -> Floats:
    """Returns the z² at which L is 1/alpha: L grows with z², so that halving finds it."""
    ratio = (_SCALES[-1] ** 2) * precision
    low = np.zeros_like(precision)
    high = (1 + 1 / ratio) * (np.log1p(ratio) + 2 * math.log(len(_SCALES) / alpha))  # the second bet alone
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        beyond = _log_bet(middle, precision) > -math.log(alpha)
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return high
