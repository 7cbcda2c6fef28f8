"""Plain play-through order, as the published idea has it: fetch what will not be skipped."""

from dataclasses import dataclass
from typing import ClassVar

from cache_client.policies.base import whole_tracks
from cache_client.prefetch.plan import Plan, PrefetchRequest


@dataclass(frozen=True)
class Rank:
    """Fetches the n tracks of the queue with the highest play-through probability, whole."""

    n: int = 3
    needs_predictions: ClassVar[bool] = True

    def plan(self, request: PrefetchRequest) -> Plan:
        """Returns what is missing of them, most likely first; the queue's order breaks ties."""
        by_probability = sorted(request.queue, key=lambda track: -track.play_through_probability)
        return whole_tracks(by_probability[: self.n], request.free_bytes)
