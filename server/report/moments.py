"""What the statistics need to know of an arm: sums over its listeners, cheap to add up day by day.

A listener has made n plays, whose values (right or wrong, or a loss) add up to s. Every estimate of this
report, its variance, skewness and degrees of freedom follow from the sums of a few products of n and s over
the listeners. These sums add: over days, over groups of listeners, over arms.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over listeners of products of n, their plays, and s, the total of their plays' values.

    Each is an array of the same shape, say (n_arms, n_days), and is named after the product: `nns` is the
    sum of n·n·s. `listeners` counts them.
    """

    listeners: Floats
    n: Floats
    s: Floats
    nn: Floats
    ns: Floats
    ss: Floats
    nnn: Floats
    nns: Floats
    nss: Floats
    sss: Floats

    def __add__(self, other: "Moments") -> "Moments":
        """Returns the moments of both groups of listeners together."""
        return Moments(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __getitem__(self, key: int | tuple[int | slice, ...]) -> "Moments":
        """Returns the moments at a place of the arrays."""
        return Moments(*(np.asarray(getattr(self, f.name)[key]) for f in fields(self)))

    @property
    def effective_listeners(self) -> Floats:
        """Returns how many equally active listeners would tell a mean as reliably as these: (Σn)²/Σn².

        That is, when the plays of a listener are alike. Source: Kish, "Survey Sampling", 1965; for degrees of
        freedom: Carter, Schnepel and Steigerwald, Review of Economics and Statistics 2017.
        """
        return self.n**2 / self.nn

    def around(self, mean: Floats) -> tuple[Floats, Floats]:
        """Returns the sums of the squares and of the cubes of s - mean·n, a listener's share in the error."""
        squares = self.ss - 2 * mean * self.ns + mean**2 * self.nn
        cubes = self.sss - 3 * mean * self.nss + 3 * mean**2 * self.nns - mean**3 * self.nnn
        return squares, cubes


def moments(plays: Floats, totals: Floats) -> Moments:
    """Returns the moments of one group.

    Args:
        plays: n of each listener, (n_listeners,).
        totals: s of each, (n_listeners,).
    """
    return Moments(*(np.asarray(product.sum()) for product in _products(plays, totals)))


def daily_moments(
    groups: Codes, listeners: Codes, days: Codes, plays: Floats, totals: Floats, shape: tuple[int, int]
) -> Moments:
    """Returns the moments of each group of listeners at the end of each day, over all days until then.

    A day changes the sums only by what its listeners add, so that this is linear in the number of rows.

    Args:
        groups: The arm, say, of each row, (n,).
        listeners: Whose row it is, (n,); all rows of a listener have one group.
        days: Its day, from 0, (n,). The rows are in order of listener, then day; a day has one at most.
        plays: Plays of this listener on this day, (n,).
        totals: Sum of their values, (n,).
        shape: (n_groups, n_days).
    """
    first = np.append(True, listeners[1:] != listeners[:-1])
    row = np.cumsum(first) - 1
    n, s = (np.cumsum(each) for each in (plays, totals))
    n, s = n - (n - plays)[first][row], s - (s - totals)[first][row]
    place, size = groups * shape[1] + days, shape[0] * shape[1]
    found = []
    for name, after, before in zip(
        fields(Moments), _products(n, s), _products(n - plays, s - totals), strict=True
    ):
        added = first.astype(np.float64) if name.name == "listeners" else after - before
        found.append(np.cumsum(sums(place, added, size).reshape(shape), axis=1))
    return Moments(*found)


def sums(groups: Codes, values: Floats, n_groups: int) -> Floats:
    """Returns the sum of the values of each group, (n_groups,)."""
    return np.asarray(np.bincount(groups, weights=values, minlength=n_groups), dtype=np.float64)


def _products(n: Floats, s: Floats) -> tuple[Floats, ...]:
    """Returns the products in the order of the fields of `Moments`."""
    nn, ns, ss = n * n, n * s, s * s
    return np.ones_like(n), n, s, nn, ns, ss, nn * n, nn * s, ns * s, ss * s
