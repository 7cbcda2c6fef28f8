"""What every prefetch policy is."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from cache_client.prefetch.plan import Fetch, Plan, PrefetchRequest, UpcomingTrack
from cache_client.prefetch.score import ScoreWeights


@dataclass(frozen=True, slots=True)
class PolicyOptions:
    """What policies can be given."""

    next_n: int = 3  # whole tracks that `random`, `next-n-full`, `popularity` and `rank` fetch
    weights: ScoreWeights = field(default_factory=ScoreWeights)  # for policies that weigh
    seed: int = 42  # of `random`


class Policy(Protocol):
    """Decides at the start of a play what to fetch while it lasts."""

    @property
    def needs_predictions(self) -> bool:
        """Returns whether `plan` reads a server's predictions."""
        ...

    def plan(self, request: PrefetchRequest) -> Plan:
        """Returns what to fetch, in order, and how far to stream the playing track ahead.

        The plan replaces the one before it. Its ranges add up to at most `free_bytes`; each begins where the
        track's cached bytes, or the plan's range of it before, end; all lie within tracks of the queue.
        """
        ...


def whole_tracks(tracks: Iterable[UpcomingTrack], free_bytes: int) -> Plan:
    """Returns the plan that fetches what is missing of tracks, in order, cut where the cache is full."""
    return first_parts(((track, track.size_bytes) for track in tracks), free_bytes)


def first_parts(parts: Iterable[tuple[UpcomingTrack, int]], free_bytes: int) -> Plan:
    """Returns the plan that fetches tracks up to some byte (not included), cut where the cache is full."""
    fetches = []
    for track, end_byte in parts:
        take_bytes = min(end_byte - track.cached_bytes, free_bytes)
        if take_bytes > 0:
            fetches.append(Fetch(track.track_id, track.cached_bytes, track.cached_bytes + take_bytes - 1))
            free_bytes -= take_bytes
    return Plan(tuple(fetches))
