"""The most popular tracks of the queue first, as a cache without a model would have it."""

from dataclasses import dataclass
from typing import ClassVar

from cache_client.policies.base import whole_tracks
from cache_client.prefetch.plan import Plan, PrefetchRequest


@dataclass(frozen=True)
class Popularity:
    """Fetches the n tracks of the queue that the catalogue calls most popular, whole."""

    n: int = 3
    needs_predictions: ClassVar[bool] = False

    def plan(self, request: PrefetchRequest) -> Plan:
        """Returns what is missing of them, most popular first; the queue's order breaks ties."""
        by_popularity = sorted(request.queue, key=lambda track: -track.popularity)
        return whole_tracks(by_popularity[: self.n], request.free_bytes)
