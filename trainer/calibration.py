"""Fits the calibration to logits of plays that the network was not trained on."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint, minimize

from models.calibration import Calibration

_FEWEST_PLAYS = 100
_N_KNOTS = 5
_OUTERMOST = 0.02
_LEAST_SLOPE = 0.1
_LARGEST_LOGIT = 10.0
# How hard a segment's slope is drawn to 1, in nats of log loss over all plays.
_PENALTY = 3.0


def fit_calibration(logits: NDArray[np.float64], played_through: NDArray[np.bool_]) -> Calibration:
    """Returns the rising, piecewise linear map of the logits with the least log loss.

    Its knots are quantiles of the logits; slopes are drawn towards 1 a little, so that a few plays bend
    nothing.

    Source: Platt scaling (1999) with several segments instead of one; Zadrozny and Elkan, "Transforming
    Classifier Scores into Accurate Multiclass Probability Estimates", KDD 2002, for a free rising map.

    Args:
        logits: Log odds of playing through, of plays that were not trained on, (n_plays,).
        played_through: What happened, (n_plays,).

    Returns:
        The calibration; no change where there are too few plays, or only one outcome, to tell.
    """
    if len(logits) < _FEWEST_PLAYS or played_through.all() or not played_through.any():
        return Calibration()
    logits = np.clip(logits, -_LARGEST_LOGIT, _LARGEST_LOGIT)
    quantiles = np.quantile(logits, np.linspace(_OUTERMOST, 1 - _OUTERMOST, _N_KNOTS))
    knots = np.unique(quantiles.round(1))  # (n_knots,)
    widths = np.diff(knots)
    hats = np.column_stack([np.interp(logits, knots, hat) for hat in np.eye(len(knots))])  # (n, n_knots)
    beyond = np.minimum(logits - knots[0], 0) + np.maximum(logits - knots[-1], 0)
    signs = np.where(played_through, -1.0, 1.0)

    def loss(calibrated: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margins = signs * (hats @ calibrated + beyond)
        excess = np.diff(calibrated) / widths - 1
        pull = 2 * _PENALTY * excess / widths
        slope = hats.T @ (signs * np.exp(-np.logaddexp(0, -margins))) - np.diff(pull, prepend=0, append=0)
        total = np.logaddexp(0, margins).sum() + _PENALTY * np.square(excess).sum()
        return float(total) / len(logits), slope / len(logits)

    rising = [LinearConstraint(np.diff(np.eye(len(knots)), axis=0), _LEAST_SLOPE * widths, np.inf)]
    found = minimize(
        loss,
        knots,
        jac=True,
        method="SLSQP",
        constraints=rising if len(widths) else (),
        options={"ftol": 1e-9},
    )
    return Calibration(logits=tuple(knots.tolist()), calibrated=tuple(found.x.tolist()))
