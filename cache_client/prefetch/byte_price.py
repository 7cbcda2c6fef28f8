"""The price of bytes at which a budget lasts: raised and lowered online, while offers come."""

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable

WINDOW = 2000
"""How many offers the price rests on: enough to hold the whole fleet's mix, few enough to follow it."""


class BytePrice:
    """Holds a budget by the least worth that a track is fetched for.

    Of the bytes that are still expected, so much can be fetched as is left of the budget: the price is the
    worth that this share of the latest offers' bytes exceeds. What was fetched too much or too little before
    changes what is left, and so the price. A budget is never overspent, and where the expectation holds it is
    spent to nearly the last byte.

    One of them serves all listeners that share a budget. It is not safe to share between threads.

    Source:
        Balseiro and Gur, "Learning in Repeated Auctions with Budgets: Regret Minimization and Equilibrium",
        Management Science 65(9), 2019 (adaptive pacing: the budget that is left over what is left of the
        period); Zhou, Chakrabarty and Lukose, "Budget Constrained Bidding in Keyword Auctions and Online
        Knapsack Problems", WINE 2008 (a threshold on worth per byte). Here the threshold is an empirical
        quantile rather than a step along a gradient, so that no step has to be chosen in the worth's unit.
    """

    def __init__(
        self,
        budget_bytes: float,
        expected_bytes: float,
        seen: Iterable[tuple[float, int]] = (),
        *,
        window: int = WINDOW,
    ) -> None:
        """Starts a period.

        Args:
            budget_bytes: How many bytes may be fetched in the period.
            expected_bytes: How many bytes all of its offers are expected to have together, fetched or not: as
                many as in a period like it. Too many, and the budget is not spent; too few, and it is
                gone early.
            seen: Worth and size in bytes of offers before the period, the latest last. Without any the first
                offer is taken if it fits.
            window: How many offers the price rests on.

        Raises:
            ValueError: A number of bytes is negative or not finite, or the window is empty.
        """
        if not (0 <= budget_bytes < math.inf and 0 <= expected_bytes < math.inf and window >= 1):
            raise ValueError(f"no budget: {budget_bytes} of {expected_bytes} bytes, window {window}")
        self._left_bytes = float(budget_bytes)
        self._to_come_bytes = float(expected_bytes)
        self._latest: deque[tuple[float, int]] = deque(maxlen=window)
        self._by_worth: list[tuple[float, int]] = []  # the same, rising
        self._seen_bytes = 0
        for worth, size_bytes in seen:
            self._remember(worth, size_bytes)

    @property
    def left_bytes(self) -> int:
        """Returns how many bytes may still be fetched."""
        return int(self._left_bytes)

    @property
    def price(self) -> float:
        """Returns the least worth to fetch a track for now: -inf for all, inf for none."""
        if self._left_bytes < 1:
            return math.inf
        if self._left_bytes >= self._to_come_bytes or not self._by_worth:
            return -math.inf
        wanted_bytes = self._seen_bytes * self._left_bytes / self._to_come_bytes
        for worth, size_bytes in reversed(self._by_worth):
            wanted_bytes -= size_bytes
            if wanted_bytes <= 0:
                return worth
        return -math.inf

    def offer(self, worth: float, size_bytes: int) -> bool:
        """Returns whether to fetch a track, and counts it: by the price before it was seen, if it fits.

        Args:
            worth: Its worth, in the unit of the others.
            size_bytes: What would be fetched.
        """
        taken = worth >= self.price and size_bytes <= self._left_bytes
        self.saw(worth, size_bytes)
        if taken:
            self.spend(size_bytes)
        return taken

    def saw(self, worth: float, size_bytes: int) -> None:
        """Counts an offer of the period, whether or not it is taken; each offer once."""
        self._to_come_bytes -= size_bytes
        self._remember(worth, size_bytes)

    def spend(self, size_bytes: int) -> None:
        """Takes bytes that are fetched out of the budget."""
        self._left_bytes -= size_bytes

    def _remember(self, worth: float, size_bytes: int) -> None:
        if math.isnan(worth):  # would leave the rest unsorted
            worth = -math.inf
        if len(self._latest) == self._latest.maxlen:
            oldest = self._latest[0]
            del self._by_worth[bisect_left(self._by_worth, oldest)]
            self._seen_bytes -= oldest[1]
        self._latest.append((worth, size_bytes))
        insort(self._by_worth, (worth, size_bytes))
        self._seen_bytes += size_bytes
