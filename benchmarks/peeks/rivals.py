"""Other ways to judge a difference of two arms: what the report did earlier, and what everybody does."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from server.report.moments import Floats, Moments

_ALPHA = 0.05


def welch_claims(first: Moments, second: Moments) -> NDArray[np.bool_]:
    """Returns where a plain Welch t test, with listeners as clusters, finds a difference at 5 %."""
    with np.errstate(divide="ignore", invalid="ignore"):
        variances = [_variance(arm) * arm.listeners / (arm.listeners - 1) for arm in (first, second)]
        parts = [v**2 / (arm.listeners - 1) for v, arm in zip(variances, (first, second), strict=True)]
        freedom = (variances[0] + variances[1]) ** 2 / (parts[0] + parts[1])
        t = _difference(first, second) / np.sqrt(variances[0] + variances[1])
        return np.asarray(np.abs(t) > stdtrit(freedom, 1 - _ALPHA / 2), dtype=bool)


def pooled_mixture_claims(first: Moments, second: Moments, effect: float) -> NDArray[np.bool_]:
    """Returns where the report claimed a difference earlier: pooled variance, from ten listeners an arm."""
    listeners = first.listeners + second.listeners
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (_variance(first) + _variance(second)) * listeners / (listeners - 1)
        variance *= (stdtrit(listeners - 2, 1 - _ALPHA / 2) / ndtri(1 - _ALPHA / 2)) ** 2
        ratio = effect**2 / variance
        squared = _difference(first, second) ** 2 / variance
        log_bet = 0.5 * (squared * ratio / (1 + ratio) - np.log1p(ratio))
        enough = np.minimum(first.listeners, second.listeners) >= 10
        return np.asarray((log_bet > -np.log(_ALPHA)) & enough, dtype=bool)


def _difference(first: Moments, second: Moments) -> Floats:
    return second.s / second.n - first.s / first.n


def _variance(arm: Moments) -> Floats:
    """Returns the clustered variance of an arm's mean, without a correction."""
    return arm.around(arm.s / arm.n)[0] / arm.n**2
