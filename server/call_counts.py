"""Counts what the server does, in plain numbers: a call costs well under a microsecond."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

LATENCY_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the latency histogram's buckets, in seconds; the last bucket has none."""

Ending = tuple[str, str, str]
"""How a call ended: method, model that answered ("" when none did) and status code."""


@dataclass(slots=True)
class Latencies:
    """How long calls took.

    Attributes:
        counts: Calls by bucket of `LATENCY_BOUNDS_S`, and those above.
        total_s: Their times' sum, in seconds.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS_S) + 1))
    total_s: float = 0.0


@dataclass(slots=True)
class CallCounts:
    """What one event loop has counted since it began.

    Attributes:
        in_flight: Calls under way now.
        ended: Times of calls that have ended, by how.
        shed: Calls that were not begun, to spare the others, by reason (`server.errors.ShedError`).
    """

    in_flight: int = 0
    ended: dict[Ending, Latencies] = field(default_factory=dict)
    shed: Counter[str] = field(default_factory=Counter)

    def add(self, ending: Ending, seconds: float) -> None:
        """Counts a call that has ended."""
        latencies = self.ended.get(ending)
        if latencies is None:
            latencies = self.ended[ending] = Latencies()
        latencies.counts[bisect_left(LATENCY_BOUNDS_S, seconds)] += 1
        latencies.total_s += seconds
