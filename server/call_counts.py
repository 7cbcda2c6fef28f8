"""Counts what the server does, in plain numbers: a call costs well under a microsecond."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

LATENCY_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the latencies' buckets, in seconds; the last bucket has none."""

SCORE_BOUNDS = tuple(number / 20 for number in range(1, 21))
"""Upper bounds of the play-through probabilities' buckets; nothing is above the last one."""

UNKNOWN_CALLER = "unknown"
"""Stands for the kind of a caller whom the gate has not told: it refused the call."""

Ending = tuple[str, str, str, str]
"""How a call ended: method, model that answered ("" when none did), status code and kind of the caller.

Never the caller's name: each would be a time series of its own, and nobody's business.
"""

Exemplar = tuple[str, float]
"""A call that stands for its bucket: what finds it again (its trace's or request's id), and its seconds."""


@dataclass(slots=True)
class Tally:
    """Numbers, by size.

    Attributes:
        bounds: Upper bounds of the buckets, rising, each of which belongs to its bucket.
        counts: How many there are by bucket, and above the last bound.
        total: Their sum.
    """

    bounds: tuple[float, ...]
    counts: list[int] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        """Begins with none."""
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, number: float) -> int:
        """Counts a number; returns its bucket."""
        bucket = bisect_left(self.bounds, number)
        self.counts[bucket] += 1
        self.total += number
        return bucket


@dataclass(slots=True)
class CallCounts:
    """What one event loop has counted since it began.

    Attributes:
        in_flight: Calls under way now.
        ended: Seconds of calls that have ended, by how.
        shed: Calls that there was no room or no time for, by reason (`server.errors.ShedError`).
        scores: Play-through probabilities that Predict and PredictRandom answered, by model.
        loop_lag: Seconds by which the event loop came too late to what it was to do at a given time.
        exemplars: The latest call with an id, by method and bucket of its latency; taken away once published.
    """

    in_flight: int = 0
    ended: dict[Ending, Tally] = field(default_factory=dict)
    shed: Counter[str] = field(default_factory=Counter)
    scores: dict[str, Tally] = field(default_factory=dict)
    loop_lag: Tally = field(default_factory=lambda: Tally(LATENCY_BOUNDS_S))
    exemplars: dict[tuple[str, int], Exemplar] = field(default_factory=dict)

    def add(self, ending: Ending, seconds: float, exemplar_id: str = "") -> None:
        """Counts a call that has ended.

        Args:
            ending: How.
            seconds: How long it took.
            exemplar_id: The id of its trace or request, where somebody can look that up; shown to Prometheus.
        """
        tally = self.ended.get(ending)
        if tally is None:
            tally = self.ended[ending] = Tally(LATENCY_BOUNDS_S)
        bucket = tally.add(seconds)
        if exemplar_id:
            self.exemplars[ending[0], bucket] = exemplar_id, seconds

    def add_score(self, model: str, play_through_probability: float) -> None:
        """Counts what a model answered about one play."""
        tally = self.scores.get(model)
        if tally is None:
            tally = self.scores[model] = Tally(SCORE_BOUNDS)
        tally.add(play_through_probability)
