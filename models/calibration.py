"""Calibration: a rising map of logits, so that probabilities mean what they say; applied and fitted here."""

from bisect import bisect_right
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

_LARGEST_LOGIT = 1e4
_FEWEST_PLAYS = 100
_N_KNOTS = 5
# The share of the plays beyond either outermost knot: fewer would let single plays place it.
_OUTERMOST = 0.02
_LEAST_SLOPE = 0.1
_LARGEST_FITTED_LOGIT = 10.0
# How hard a segment's slope is drawn to 1, in nats of log loss over all plays.
_PENALTY = 3.0


class Calibration(BaseModel):
    """A piecewise linear, rising map of log odds, of slope 1 beyond its ends: it cannot change a ranking.

    Attributes:
        logits: Log odds of the network, rising, (n_knots,).
        calibrated: What each becomes, rising, (n_knots,).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    logits: tuple[float, ...] = Field(default=(0.0,), min_length=1, max_length=64)
    calibrated: tuple[float, ...] = Field(default=(0.0,), min_length=1, max_length=64)

    @model_validator(mode="after")
    def _check_knots(self) -> Self:
        if len(self.logits) != len(self.calibrated):
            raise ValueError("as many calibrated logits as logits are needed")
        for values in (self.logits, self.calibrated):
            if (np.diff(values) <= 0).any() or np.abs(values).max() > _LARGEST_LOGIT:
                raise ValueError(f"logits must rise, within {_LARGEST_LOGIT:g} of 0")
        return self

    def __call__(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the calibrated logits, (n,)."""
        inside = np.interp(logits, self.logits, self.calibrated)
        below = np.minimum(logits - self.logits[0], 0)
        above = np.maximum(logits - self.logits[-1], 0)
        calibrated: NDArray[np.float64] = inside + below + above
        return calibrated

    def of_one(self, logit: float) -> float:
        """Returns what a call would of one logit; NumPy takes ten times as long for one."""
        logits, calibrated = self.logits, self.calibrated
        above = bisect_right(logits, logit)
        if above == 0:
            return calibrated[0] + (logit - logits[0])
        if above == len(logits):
            return calibrated[-1] + (logit - logits[-1])
        share = (logit - logits[above - 1]) / (logits[above] - logits[above - 1])
        return calibrated[above - 1] + share * (calibrated[above] - calibrated[above - 1])


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
    from scipy.optimize import LinearConstraint, minimize

    if len(logits) < _FEWEST_PLAYS or played_through.all() or not played_through.any():
        return Calibration()
    logits = np.clip(logits, -_LARGEST_FITTED_LOGIT, _LARGEST_FITTED_LOGIT)
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
