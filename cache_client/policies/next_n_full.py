"""The next tracks of the queue in full, as players commonly do."""

from cache_client.policies.base import whole_tracks
from cache_client.prefetch.plan import Plan, PrefetchRequest


class NextNFull:
    """Fetches the next n tracks whole, in queue order."""

    needs_predictions = False

    def __init__(self, n: int = 3) -> None:
        """Takes how many tracks to look ahead."""
        self._n = n

    def plan(self, request: PrefetchRequest) -> Plan:
        """Returns what is missing of the next n tracks, the last one cut where the cache is full."""
        return whole_tracks(request.queue[: self._n], request.free_bytes)
