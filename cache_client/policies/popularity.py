"""The most popular tracks of the queue first, as a cache without a model would have it."""

from cache_client.policies.base import whole_tracks
from cache_client.prefetch.plan import Plan, PrefetchRequest


class Popularity:
    """Fetches the n tracks of the queue that the catalogue calls most popular, whole."""

    needs_predictions = False

    def __init__(self, n: int = 3) -> None:
        """Takes how many tracks to fetch."""
        self._n = n

    def plan(self, request: PrefetchRequest) -> Plan:
        """Returns what is missing of them, most popular first; the queue's order breaks ties."""
        by_popularity = sorted(request.queue, key=lambda track: -track.popularity)
        return whole_tracks(by_popularity[: self._n], request.free_bytes)
