"""Which storage class each track should have, for a budget a day: the shortest expected wait that it buys.

A track's wait a day is its expected plays times its class's latency: whoever starts a track waits for its
first byte, whether or not they hear it out. Its cost a day is what its class charges for its minutes. Moves
to a faster class are bought by seconds saved per unit of cost, best first, along each track's lower hull of
(cost, wait): the greedy solution of a multiple-choice knapsack, at most one track's step short of the best
one.
"""

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from cache_client.laboratory_errors import UsageError
from data import Catalogue
from data.schema import STORAGE_COST_PER_MINUTE

CLASSES = ("SLOW", "MEDIUM", "FAST")
"""From the cheapest to the fastest."""

PRIOR_PLAYS = 0.25
"""Every track counts as played so often more, spread by popularity: what was never played may yet be. The
total stays what was recorded."""

_ROUNDING = 1e-9
"""Sums of costs closer than this are the same."""


class TrackDemand(NamedTuple):
    """A track and how it is wanted."""

    track_id: str
    minutes: float
    storage_class: str | None  # where it is now; None when unknown
    plays_per_day: float  # expected

    def cost(self, storage_class: str) -> float:
        """Returns what a class costs a day for this track."""
        return STORAGE_COST_PER_MINUTE[storage_class] * self.minutes

    def wait_s(self, storage_class: str, latency_s: Mapping[str, float]) -> float:
        """Returns the expected wait a day in a class, in seconds."""
        return self.plays_per_day * latency_s[storage_class]


def demands(catalogue: Catalogue, plays: pd.DataFrame) -> list[TrackDemand]:
    """Returns each track's expected plays a day."""
    tracks = catalogue.tracks
    span_days = 1.0
    if len(plays):
        span = plays["started_at"].iloc[-1] - plays["started_at"].iloc[0]
        span_days = max(1.0, span.total_seconds() / 86_400)
    counted = plays.groupby("track_id").size()
    popularity = tracks["popularity"].astype(float)
    prior = PRIOR_PLAYS * (popularity + 1.0) / (popularity.mean() + 1.0)
    per_day = len(plays) / (len(plays) + float(prior.sum())) / span_days
    found = []
    columns = (tracks["id"], tracks["duration_ms"], tracks["storage_class"], prior)
    for track_id, duration_ms, storage_class, expected in zip(*columns, strict=True):
        n = float(counted.get(track_id, 0.0)) + float(expected)
        known = storage_class if isinstance(storage_class, str) else None
        found.append(TrackDemand(track_id, float(duration_ms) / 60_000, known, n * per_day))
    return found


@dataclass(frozen=True, slots=True)
class Placement:
    """Storage classes for all tracks, in order, with their cost and the wait that listeners expect a day."""

    classes: tuple[str, ...]
    cost_per_day: float
    wait_s_per_day: float


def place(tracks: Sequence[TrackDemand], budget_per_day: float, latency_s: Mapping[str, float]) -> Placement:
    """Returns the placement that saves most for a budget; latencies are to the first byte, by storage class.

    Raises:
        UsageError: Not even the cheapest class for every track is within the budget.
    """
    left = budget_per_day - sum(track.cost("SLOW") for track in tracks)
    if left < -_ROUNDING:
        least = budget_per_day - left
        raise UsageError(f"a budget of {budget_per_day:g} a day is below {least:.2f}, all tracks in SLOW")
    # Greedy alone may spend a small budget on small things: the one move that saves most is tried first too.
    affordable = [
        (step.saved_s, at)
        for at, it in enumerate(tracks)
        if (step := next(_steps(it, latency_s), None)) and step.cost <= left + _ROUNDING
    ]
    starts = [None, max(affordable)[1] if affordable else None]
    found = [measured(tracks, _greedy(tracks, left, latency_s, start), latency_s) for start in starts]
    return min(found, key=lambda placement: placement.wait_s_per_day)


def _greedy(
    tracks: Sequence[TrackDemand], left: float, latency_s: Mapping[str, float], start: int | None
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
        if step.cost > left + _ROUNDING:
            continue
        left -= step.cost
        classes[at] = step.storage_class
        if following := next(steps[at], None):
            heapq.heappush(heap, (-following.worth, at, following))
    return classes


def measured(
    tracks: Sequence[TrackDemand], classes: Sequence[str], latency_s: Mapping[str, float]
) -> Placement:
    """Returns a given placement with its cost and wait."""
    pairs = list(zip(tracks, classes, strict=True))
    return Placement(
        tuple(classes),
        sum(track.cost(it) for track, it in pairs),
        sum(track.wait_s(it, latency_s) for track, it in pairs),
    )


class Move(NamedTuple):
    """A track that another placement puts into another class; a slower one saves less than nothing."""

    track_id: str
    from_class: str
    to_class: str
    plays_per_day: float
    saved_s_per_day: float


def moves(
    tracks: Sequence[TrackDemand], before: Placement, after: Placement, latency_s: Mapping[str, float]
) -> list[Move]:
    """Returns the tracks that change their class, the one that saves most first."""
    found = []
    for track, here, there in zip(tracks, before.classes, after.classes, strict=True):
        if here != there:
            saved_s = track.wait_s(here, latency_s) - track.wait_s(there, latency_s)
            found.append(Move(track.track_id, here, there, track.plays_per_day, saved_s))
    return sorted(found, key=lambda move: -move.saved_s_per_day)


class _Step(NamedTuple):
    """A track's move to a faster class: its cost and the wait that it saves, both a day, and their ratio."""

    storage_class: str
    cost: float
    saved_s: float
    worth: float


def _steps(track: TrackDemand, latency_s: Mapping[str, float]) -> Iterator[_Step]:
    """Yields the moves along the track's lower hull, each worth less than the one before."""
    at = 0
    while at + 1 < len(CLASSES):
        options = [_step(track, CLASSES[at], to, latency_s) for to in CLASSES[at + 1 :]]
        best = max(options, key=lambda step: step.worth)
        if best.worth <= 0:
            return
        yield best
        at = CLASSES.index(best.storage_class)


def _step(track: TrackDemand, here: str, there: str, latency_s: Mapping[str, float]) -> _Step:
    cost = track.cost(there) - track.cost(here)
    saved_s = track.wait_s(here, latency_s) - track.wait_s(there, latency_s)
    return _Step(there, cost, saved_s, saved_s / cost if cost > 0 else 0.0)
