"""Calibration: a rising map of logits, so that probabilities mean what they say."""

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

    def as_layers(
        self, weight: NDArray[np.float32], bias: np.float32
    ) -> tuple[tuple[NDArray[np.float32], NDArray[np.float32]], tuple[NDArray[np.float32], np.float32]]:
        """Returns a linear layer of one output and this map as a layer before a ReLU and a layer after it.

        One unit for what lies below the first knot and one for what lies above each knot.

        Args:
            weight: Of the layer that makes the logit, (n_in,).
            bias: Of that layer, ().

        Returns:
            Weight (n_knots + 1, n_in) and bias (n_knots + 1,), then weight (n_knots + 1,) and bias ().
        """
        slopes = np.diff(self.calibrated) / np.diff(self.logits)
        bends = np.diff([0.0, *slopes, 1.0])  # (n_knots,)
        signs = np.array([-1.0, *np.ones(len(bends))])
        shifts = np.array([self.logits[0], *(-np.array(self.logits))])
        first = (np.outer(signs, weight).astype(np.float32), (signs * bias + shifts).astype(np.float32))
        return first, (np.array([-1.0, *bends], dtype=np.float32), np.float32(self.calibrated[0]))
