"""Which offers get the bytes: decided one by one as they come up, or with hindsight for the oracle."""

import numpy as np
from numpy.typing import NDArray

from cache_client.prefetch.byte_price import BytePrice

Sizes = NDArray[np.int64]


def decide_online(
    worths: NDArray[np.float64], sizes: Sizes, n_earlier: int, budget_bytes: float, expected_bytes: float
) -> NDArray[np.bool_]:
    """Returns which plays of the period get the bytes, each decided before the next is seen, (n_plays,).

    Args:
        worths: Of all offers, the ones before the period first, (n_earlier + n_plays,).
        sizes: Theirs, in bytes.
        n_earlier: How many offers come before the period: the price starts from them.
        budget_bytes: What may be fetched in the period.
        expected_bytes: What all of the period's offers are expected to have.
    """
    offers = list(zip(worths.tolist(), sizes.tolist(), strict=True))
    price = BytePrice(budget_bytes, expected_bytes, offers[:n_earlier])
    return np.array([price.offer(worth, size_bytes) for worth, size_bytes in offers[n_earlier:]])


def decide_with_hindsight(
    values: NDArray[np.float64], sizes: Sizes, budget_bytes: float
) -> NDArray[np.bool_]:
    """Returns which plays get the bytes if they are sorted by what they turn out to be worth, (n_plays,).

    Args:
        values: True worth of each play's bytes; plays that turn out worth nothing get none, (n_plays,).
        sizes: Sizes in bytes.
        budget_bytes: What may be fetched.
    """
    taken = np.zeros(len(values), dtype=bool)
    for play in np.argsort(-values, kind="stable"):
        if values[play] > 0 and sizes[play] <= budget_bytes:
            taken[play] = True
            budget_bytes -= sizes[play]
    return taken
