"""Chances: log-odds to probabilities and back, rates that come out as asked, and draws that keep to them."""

import numpy as np
from numpy.typing import NDArray

_WIDEST_LOG_ODDS = 40.0
_HALVINGS = 40


def probability(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the probabilities of log-odds, same shape."""
    return 1.0 / (1.0 + np.exp(-log_odds))


def log_odds(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the log-odds of probabilities between 0 and 1 exclusive, same shape."""
    odds: NDArray[np.float64] = np.log(share / (1.0 - share))
    return odds


def intercept(rate: float, offsets: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Returns what to add to log-odds so that the weighted mean of their probabilities is the rate.

    Args:
        rate: The mean asked for, between 0 and 1 exclusive.
        offsets: Log-odds, shape (n,).
        weights: Weights that add up to 1, shape (n,).
    """
    low, high = -_WIDEST_LOG_ODDS, _WIDEST_LOG_ODDS
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if probability(middle + offsets) @ weights < rate:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def draw(rng: np.random.Generator, chances: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Draws events whose number is the sum of their chances, to less than one.

    Independent draws would let the rate of a small data set stray by more than a point from seed to seed.

    Args:
        rng: Source of randomness.
        chances: Probability of each event, shape (n,).

    Returns:
        Whether each happens, shape (n,).

    Source:
        Madow (1949), systematic sampling with unequal probabilities, here in random order.
    """
    order = rng.permutation(len(chances))
    steps = np.floor(np.cumsum(chances[order]) + rng.random())
    happens = np.empty(len(chances), dtype=bool)
    happens[order] = np.diff(steps, prepend=0.0) > 0
    return happens


def even_quantiles(rng: np.random.Generator, count: int, n_columns: int) -> NDArray[np.float64]:
    """Returns columns of shuffled, evenly spaced quantiles that hardly correlate: a Latin hypercube.

    A small crowd then has the spread of a large one, whatever the seed.

    Args:
        rng: Source of randomness.
        count: Number of rows.
        n_columns: Number of columns.

    Returns:
        Quantiles between 0 and 1 exclusive, shape (count, n_columns).

    Source:
        Owen (1994), controlling correlations in Latin hypercube samples.
    """
    drawn = rng.standard_normal((count, n_columns))
    if count > n_columns:
        drawn, _ = np.linalg.qr(drawn - drawn.mean(axis=0))
    ranks = np.argsort(np.argsort(drawn, axis=0), axis=0)
    quantiles: NDArray[np.float64] = (ranks + 0.5) / count
    return quantiles
