"""The forward pass behind the first layer, in NumPy: the part of a prediction that a batch shares."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.artifact import Layer
from models.calibration import Calibration

# So many rows of the widest layer stay in a core's second-level cache.
_CHUNK_ROWS = 1024
# Up to so many, Python's own arithmetic is faster than four NumPy calls.
_FEW = 16
_ZERO = np.zeros((), dtype=np.float32)

Shifts = NDArray[np.float64] | NDArray[np.float32]


class ForwardPass:
    """Runs the layers after the first on the sums of the first; safe to share between threads.

    Each row carries a 1 behind its values, which picks up a layer's biases in the product with its weights:
    most calls are for a single row, where every NumPy call costs more than its arithmetic.
    """

    def __init__(
        self, hidden: Sequence[Layer], last: tuple[NDArray[np.float32], np.float32], calibration: Calibration
    ) -> None:
        """Stores the weights as row vectors need them.

        Args:
            hidden: The layers between the first and the last, each (n_out, n_in) and (n_out,).
            last: Weights (n_in,) and bias () of the logit of playing through.
            calibration: What becomes of that logit.
        """
        self._hidden = [_with_bias(weight, bias) for weight, bias in hidden]
        self._last = np.append(last[0], last[1]).astype(np.float32)  # (n_in + 1,)
        self._calibration = calibration

    def logits(self, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the logits of one row () or several (n,), whose sums are overwritten."""
        values = np.maximum(sums, _ZERO, out=sums)
        for weight in self._hidden:
            values = values.dot(weight)
            np.maximum(values, _ZERO, out=values)
        logits: NDArray[np.float32] = values.dot(self._last)
        return logits

    def probability(self, logit: float, shift: float | None) -> float:
        """Returns the play-through probability of one logit, never NaN; `shift` as in `shifts` of a call."""
        final = self._calibration.of_one(logit) if shift is None else logit + shift
        if final < 0:
            odds = math.exp(final)
            return odds / (1 + odds)
        return 1 / (1 + math.exp(-final))

    def __call__(self, sums: NDArray[np.float32], shifts: Shifts | None = None) -> NDArray[np.float64]:
        """Returns play-through probabilities, (n,), never NaN.

        Args:
            sums: The first layer's sums before its ReLU and a 1, (n, n_first + 1); overwritten.
            shifts: What to add to a stranger's logits, (n,): the calibration is that of known listeners, and
                is left out then. None: the listener is known.
        """
        if len(sums) <= _FEW:
            logits = self.logits(sums).tolist()
            each = [None] * len(logits) if shifts is None else shifts.tolist()
            return np.array([self.probability(*pair) for pair in zip(logits, each, strict=True)])
        if len(sums) <= _CHUNK_ROWS:
            return self._probabilities(self.logits(sums), shifts)
        return self.over(sums, _ZERO, shifts)

    def over(
        self, parts: NDArray[np.float32], shared: NDArray[np.float32], shifts: Shifts | None = None
    ) -> NDArray[np.float64]:
        """Returns the probabilities of many rows that share an addend, without a copy of all of them.

        Args:
            parts: First layer's sums but for the addend, and a 1, (n, n_first + 1); kept as they are.
            shared: The addend, and a 0, (n_first + 1,).
            shifts: As for a call.
        """
        logits = np.empty(len(parts), dtype=np.float32)
        for start in range(0, len(parts), _CHUNK_ROWS):
            chunk = slice(start, start + _CHUNK_ROWS)
            logits[chunk] = self.logits(parts[chunk] + shared)
        return self._probabilities(logits, shifts)

    def _probabilities(self, logits: NDArray[np.float32], shifts: Shifts | None) -> NDArray[np.float64]:
        """Returns 1 / (1 + exp(-logit)) in double precision, without overflow."""
        exact = logits.astype(np.float64)
        final = self._calibration(exact) if shifts is None else exact + shifts
        odds = np.exp(-np.abs(final))  # of the less likely; `logaddexp` takes five times as long
        probabilities: NDArray[np.float64] = np.where(final < 0, odds, 1.0) / (1 + odds)
        return probabilities


def _with_bias(weight: NDArray[np.float32], bias: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns weights and biases as one matrix that keeps the 1 at a row's end, (n_in + 1, n_out + 1)."""
    n_out, n_in = weight.shape
    joined = np.zeros((n_in + 1, n_out + 1), dtype=np.float32)
    joined[:-1, :-1] = weight.T
    joined[-1, :-1] = bias
    joined[-1, -1] = 1
    return joined
