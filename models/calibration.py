"""Calibration: a rising map of logits, so that probabilities mean what they say."""

from bisect import bisect_right
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

_LARGEST_LOGIT = 1e4


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
