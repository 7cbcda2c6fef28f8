"""Summaries and histograms of one column of numbers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

HISTOGRAM_BINS = 40


@dataclass(frozen=True)
class Summary:
    """What a column looks like; every field but `count` is None for an empty one.

    Attributes:
        std: Sample standard deviation (n - 1); None for fewer than two values.
        p01: First percentile; `p99` the last but one.
        q25: First quartile; `q75` the third.
    """

    count: int
    mean: float | None = None
    std: float | None = None
    min: float | None = None
    p01: float | None = None
    q25: float | None = None
    median: float | None = None
    q75: float | None = None
    p99: float | None = None
    max: float | None = None


@dataclass(frozen=True)
class Histogram:
    """Counts between neighbouring edges, and how many values lie beyond the last edge.

    Attributes:
        edges: n + 1 rising bounds, in the column's unit; empty when there is no value.
        counts: n counts; a value on an inner edge belongs to the bin above it.
        n_beyond: Values above the last edge, which a long tail would otherwise squeeze the bins for.
    """

    edges: list[float]
    counts: list[int]
    n_beyond: int = 0


@dataclass(frozen=True)
class Distribution:
    """A column's summary with its histogram."""

    summary: Summary
    histogram: Histogram


def finite(values: ArrayLike) -> NDArray[np.float64]:
    """Returns the values as float64, without NaN and infinities."""
    column = np.asarray(values, dtype=np.float64)
    return column[np.isfinite(column)]


def summarise(values: ArrayLike) -> Summary:
    """Returns the summary of the finite values."""
    column = finite(values)
    if not len(column):
        return Summary(count=0)
    points = np.quantile(column, [0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0])
    return Summary(
        len(column),
        float(column.mean()),
        float(column.std(ddof=1)) if len(column) > 1 else None,
        *(float(point) for point in points),
    )


def histogram(
    values: ArrayLike, *, low: float | None = None, high: float | None = None, bins: int = HISTOGRAM_BINS
) -> Histogram:
    """Counts the finite values into equal bins.

    Args:
        values: (n,) numbers.
        low: Lower edge; the least value by default.
        high: Upper edge; the greatest value by default.
        bins: Number of bins.

    Returns:
        The counts; those above `high` apart.
    """
    column = finite(values)
    if not len(column):
        return Histogram([], [])
    low = float(column.min()) if low is None else low
    high = float(column.max()) if high is None else high
    if high <= low:  # a constant column still gets its bar
        low, high = low - 0.5, low + 0.5
    counts, edges = np.histogram(column, bins=bins, range=(low, high))
    return Histogram(edges.tolist(), counts.tolist(), int((column > high).sum()))


def histogram_of_whole_numbers(values: ArrayLike) -> Histogram:
    """Counts the finite values into bins of equally many whole numbers: one each, while they are few."""
    column = finite(values)
    if not len(column):
        return Histogram([], [])
    n_numbers = round(float(column.max() - column.min())) + 1
    width = -(-n_numbers // HISTOGRAM_BINS)
    bins = -(-n_numbers // width)
    low = float(column.min()) - 0.5
    return histogram(column, low=low, high=low + width * bins, bins=bins)


def histogram_up_to_tail(values: ArrayLike, *, tail_quantile: float, low: float = 0.0) -> Histogram:
    """Counts the finite values up to a quantile; the long tail above it is one number.

    Args:
        values: (n,) numbers.
        tail_quantile: Share of the values that the bins cover.
        low: Lower edge.
    """
    column = finite(values)
    if not len(column):
        return Histogram([], [])
    n_in_tail = int(len(column) * (1 - tail_quantile))  # so few values that none is left: no tail
    return histogram(column, low=low, high=float(np.quantile(column, tail_quantile)) if n_in_tail else None)
