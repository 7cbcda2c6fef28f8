"""Hindsight: fetches exactly what will be heard, in the order in which it is needed.

With room in the cache for what the queue shows and a link that carries the audio, no policy does better.
"""

from collections.abc import Sequence
from typing import NamedTuple

from cache_client.policies.base import Policy, first_parts
from cache_client.prefetch.plan import AheadStep, Plan, PrefetchRequest


class FuturePlay(NamedTuple):
    """A play as only hindsight knows it."""

    track_id: str
    heard_s: float  # how much of the track is heard


class Oracle:
    """Knows what the listener does. Without a future to know it fetches nothing."""

    needs_predictions = False

    def __init__(self, future: Sequence[FuturePlay] = ()) -> None:
        """Knows the session's plays, the first one included."""
        self._future = future

    def knowing(self, future: Sequence[FuturePlay]) -> Policy:
        """Returns the oracle of one session."""
        return Oracle(future)

    def plan(self, request: PrefetchRequest) -> Plan:
        """Returns all of the visible queue that will be heard, soonest first, and nothing else."""
        if not self._future:
            return Plan()
        heard_bytes: dict[str, int] = {}
        for play in self._future[request.position :]:
            # A play starts with a whole chunk, however short it is. What only a later play of the track hears
            # is fetched after this one: until then it might have to make room.
            size_bytes = max(request.delivery.size_bytes(play.heard_s), request.delivery.chunk_bytes)
            heard_bytes.setdefault(play.track_id, size_bytes)
        parts = (
            (track, min(heard_bytes[track.track_id], track.size_bytes))
            for track in request.queue
            if track.track_id in heard_bytes
        )
        fetches = first_parts(parts, request.free_bytes).fetches
        playing_bytes = heard_bytes.get(request.playing.track_id, 0)
        ahead = (AheadStep(0.0, request.playing.duration_s),)
        return Plan(fetches, ahead, min(playing_bytes, request.playing.size_bytes))
