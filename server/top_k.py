"""Picks the best of many in linear time."""

import numpy as np
from numpy.typing import NDArray


def best_rows(probabilities: NDArray[np.float64], top_k: int) -> NDArray[np.int64]:
    """Returns the rows of the highest probabilities, highest first; equal ones in the order of their rows.

    Args:
        probabilities: (n,), without NaN.
        top_k: How many rows to return at most; 0 for all.

    Returns:
        Row numbers, (min(n, top_k),) or (n,). Takes O(n + k log k).
    """
    rows = np.arange(len(probabilities))
    if 0 < top_k < len(probabilities):
        last = np.partition(probabilities, -top_k)[-top_k]  # the lowest that gets in
        above = np.flatnonzero(probabilities > last)
        ties = np.flatnonzero(probabilities == last)[: top_k - len(above)]
        rows = np.sort(np.concatenate((above, ties)))
    ranked: NDArray[np.int64] = rows[np.argsort(-probabilities[rows], kind="stable")]
    return ranked
