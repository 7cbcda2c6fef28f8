"""Which storage class each track should have, for a budget a day: the shortest expected wait that it buys.

A track's wait a day is its expected plays, each by the share of it that is heard, times its class's latency;
its cost a day is what its class charges for its minutes. Moves to a faster class are bought by seconds spared
per unit of cost, best first, along each track's lower hull of (cost, wait): the greedy solution of a
multiple-choice knapsack, at most one track's step short of the best one.
"""

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cache_client.rpc.errors import UsageError

CLASSES = ("SLOW", "MEDIUM", "FAST")
"""From the cheapest to the fastest."""

COST_PER_MINUTE = {"SLOW": 0.003, "MEDIUM": 0.006, "FAST": 0.030}
"""What a class costs a day for a minute of track (v2's `daily_cost`)."""

_CENT = 1e-9
"""Sums of costs closer than this are the same."""


class TrackDemand(NamedTuple):
    """A track and how it is wanted.

    Attributes:
        track_id: The track.
        minutes: Its length.
        storage_class: Where it is now; None when unknown.
        plays_per_day: Expected plays a day.
        play_through: Share of a play that is heard, in [0, 1]: what the wait's listener stays for.
    """

    track_id: str
    minutes: float
    storage_class: str | None
    plays_per_day: float
    play_through: float = 1.0

    def cost(self, storage_class: str) -> float:
        """Returns what a class costs a day for this track."""
        return COST_PER_MINUTE[storage_class] * self.minutes


@dataclass(frozen=True, slots=True)
class Placement:
    """Storage classes for all tracks.

    Attributes:
        classes: For each track, in order.
        cost_per_day: What they cost.
        wait_s_per_day: Expected seconds of storage latency that listeners wait in a day, each play by the
            share of it that is heard.
    """

    classes: tuple[str, ...]
    cost_per_day: float
    wait_s_per_day: float


def place(tracks: Sequence[TrackDemand], budget_per_day: float, latency_s: dict[str, float]) -> Placement:
    """Returns the placement that spares most for a budget.

    Args:
        tracks: All tracks.
        budget_per_day: What may be spent a day.
        latency_s: Time to the first byte by storage class, in seconds.

    Raises:
        UsageError: Not even the cheapest class for every track is within the budget.
    """
    left = budget_per_day - sum(track.cost("SLOW") for track in tracks)
    if left < -_CENT:
        least = budget_per_day - left
        raise UsageError(f"a budget of {budget_per_day:g} a day is below {least:.2f}, all tracks in SLOW")
    # Greedy alone may spend a small budget on small things: the one move that spares most is tried first too.
    affordable = [
        (step.spared_s, at)
        for at, it in enumerate(tracks)
        if (step := next(_steps(it, latency_s), None)) and step.cost <= left + _CENT
    ]
    starts = [None, max(affordable)[1] if affordable else None]
    found = [measured(tracks, _greedy(tracks, left, latency_s, start), latency_s) for start in starts]
    return min(found, key=lambda placement: placement.wait_s_per_day)


def _greedy(
    tracks: Sequence[TrackDemand], left: float, latency_s: dict[str, float], start: int | None
) -> list[str]:
    """Returns classes bought by worth, after the first move of one track (none: of no track)."""
    classes = ["SLOW"] * len(tracks)
    steps = [_steps(track, latency_s) for track in tracks]
    heap = [
        (-math.inf if at == start else -step.worth, at, step)
        for at, it in enumerate(steps)
        if (step := next(it, None))
    ]
    heapq.heapify(heap)
    while heap:
        _, at, step = heapq.heappop(heap)
        if step.cost > left + _CENT:
            continue
        left -= step.cost
        classes[at] = step.storage_class
        if following := next(steps[at], None):
            heapq.heappush(heap, (-following.worth, at, following))
    return classes


def measured(tracks: Sequence[TrackDemand], classes: Sequence[str], latency_s: dict[str, float]) -> Placement:
    """Returns a given placement with its cost and wait."""
    pairs = list(zip(tracks, classes, strict=True))
    return Placement(
        tuple(classes),
        sum(track.cost(it) for track, it in pairs),
        sum(track.plays_per_day * track.play_through * latency_s[it] for track, it in pairs),
    )


class _Step(NamedTuple):
    """A move of a track to a faster class.

    Attributes:
        storage_class: Where to.
        cost: What it costs more a day.
        spared_s: Expected seconds spared a day.
        worth: The same per unit of cost.
    """

    storage_class: str
    cost: float
    spared_s: float
    worth: float


def _steps(track: TrackDemand, latency_s: dict[str, float]) -> Iterator[_Step]:
    """Yields the moves along the track's lower hull, each worth less than the one before."""
    at = 0
    while at + 1 < len(CLASSES):
        options = [_step(track, CLASSES[at], to, latency_s) for to in CLASSES[at + 1 :]]
        best = max(options, key=lambda step: step.worth)
        if best.worth <= 0:
            return
        yield best
        at = CLASSES.index(best.storage_class)


def _step(track: TrackDemand, here: str, there: str, latency_s: dict[str, float]) -> _Step:
    cost = track.cost(there) - track.cost(here)
    spared_s = track.plays_per_day * track.play_through * (latency_s[here] - latency_s[there])
    return _Step(there, cost, spared_s, spared_s / cost if cost > 0 else 0.0)
