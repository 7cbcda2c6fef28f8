"""A session's link: a constant bandwidth, and moments at which nothing comes through."""

import math
import random

from cache_client.prefetch.delivery import Delivery


class Link:
    """The link over a session's time, which only moves forward.

    Dropouts come at random (exponential gaps and lengths), from a seed of the session: all policies meet the
    same ones.
    """

    def __init__(self, delivery: Delivery, seed: str) -> None:
        """Draws the first dropout."""
        self._bytes_per_s = delivery.bandwidth_bytes_per_s
        self._draw = random.Random(seed)
        drops = delivery.dropouts_per_hour > 0 and delivery.dropout_s > 0
        self._gap_s = 3600 / delivery.dropouts_per_hour if drops else math.inf
        self._mean_s = delivery.dropout_s
        self._from_s = self._until_s = 0.0
        self._next(0.0)

    def bytes_per_s(self, now_s: float) -> float:
        """Returns what the link carries now, in bytes/s."""
        self._pass(now_s)
        return 0.0 if self._from_s <= now_s else self._bytes_per_s

    def change_s(self, now_s: float) -> float:
        """Returns when that changes next, in seconds."""
        self._pass(now_s)
        return self._until_s if self._from_s <= now_s else self._from_s

    def sent_s(self, asked_s: float) -> float:
        """Returns when a request leaves that is made at a moment: after the dropout that it falls into."""
        self._pass(asked_s)
        return max(asked_s, self._until_s) if self._from_s <= asked_s else asked_s

    def _pass(self, now_s: float) -> None:
        while self._until_s <= now_s:
            self._next(self._until_s)

    def _next(self, from_s: float) -> None:
        if math.isinf(self._gap_s):
            self._from_s = self._until_s = math.inf
            return
        self._from_s = from_s + self._draw.expovariate(1 / self._gap_s)
        self._until_s = self._from_s + self._draw.expovariate(1 / self._mean_s)
