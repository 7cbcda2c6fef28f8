"""The forward pass behind the first layer, in NumPy: the part of a prediction that a batch shares."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.layout import Layer

# So many rows of the widest layer stay in a core's second-level cache.
_CHUNK_ROWS = 1024


class ForwardPass:
    """Runs the layers after the first on the sums of the first; safe to share between threads."""

    def __init__(self, hidden: Sequence[Layer], last: tuple[NDArray[np.float32], np.float32]) -> None:
        """Lays the weights out for row vectors.

        Args:
            hidden: The layers between the first and the last, each (n_out, n_in) and (n_out,).
            last: Weights (n_in,) and bias () of the logit of playing through.
        """
        self._hidden = [(np.ascontiguousarray(weight.T), bias) for weight, bias in hidden]
        self._last = last

    def __call__(self, sums: NDArray[np.float32]) -> NDArray[np.float64]:
        """Returns play-through probabilities, (n,), never NaN.

        Args:
            sums: The first layer's sums before its ReLU, (n, n_first); overwritten.
        """
        if len(sums) <= _CHUNK_ROWS:
            return _logistic(self._logits(sums))
        logits = np.empty(len(sums), dtype=np.float32)
        for start in range(0, len(sums), _CHUNK_ROWS):
            chunk = slice(start, start + _CHUNK_ROWS)
            logits[chunk] = self._logits(sums[chunk])
        return _logistic(logits)

    def over(self, parts: NDArray[np.float32], shared: NDArray[np.float32]) -> NDArray[np.float64]:
        """Returns the probabilities of many rows that share an addend, without a copy of all of them.

        Args:
            parts: First layer's sums but for the addend, (n, n_first); kept as they are.
            shared: The addend, (n_first,).
        """
        logits = np.empty(len(parts), dtype=np.float32)
        for start in range(0, len(parts), _CHUNK_ROWS):
            chunk = slice(start, start + _CHUNK_ROWS)
            logits[chunk] = self._logits(parts[chunk] + shared)
        return _logistic(logits)

    def _logits(self, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        values = np.maximum(sums, 0, out=sums)
        for weight, bias in self._hidden:
            values = values @ weight
            values += bias
            np.maximum(values, 0, out=values)
        last_weight, last_bias = self._last
        logits: NDArray[np.float32] = values @ last_weight + last_bias
        return logits


def _logistic(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns 1 / (1 + exp(-logit)) in double precision, without overflow."""
    return np.exp(-np.logaddexp(0.0, -logits.astype(np.float64)))
