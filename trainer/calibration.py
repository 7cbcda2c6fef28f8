"""Calibration: one temperature, so that probabilities mean what they say."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

_FEWEST_PLAYS = 100
_BOUNDS = (0.5, 4.0)


def fit_temperature(logits: NDArray[np.float64], played_through: NDArray[np.bool_]) -> float:
    """Returns the number that the logits are best divided by.

    It cannot change a ranking, and one number is about all that a small validation part can bear.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.

    Args:
        logits: Log odds of playing through, of plays that were not trained on, (n_plays,).
        played_through: What happened, (n_plays,).

    Returns:
        The temperature; 1 where there are too few plays, or only one outcome, to tell.
    """
    if len(logits) < _FEWEST_PLAYS or played_through.all() or not played_through.any():
        return 1.0
    signs = np.where(played_through, -1.0, 1.0)

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, signs * logits / np.exp(log_temperature)).mean())

    found = minimize_scalar(loss, bounds=tuple(np.log(_BOUNDS)), method="bounded")
    return float(np.exp(found.x))
