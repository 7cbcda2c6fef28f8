"""Plain play-through order, as the published idea has it: fetch what will not be skipped."""

from cache_client.policies.base import whole_tracks
from cache_client.prefetch.plan import Plan, PrefetchRequest


class Rank:
    """Fetches the n tracks of the queue with the highest play-through probability, whole."""

    needs_predictions = True

    def __init__(self, n: int = 3) -> None:
        """Takes how many tracks to fetch."""
        self._n = n

    def plan(self, request: PrefetchRequest) -> Plan:
        """Returns what is missing of them, most likely first; the queue's order breaks ties."""
        by_probability = sorted(request.queue, key=lambda track: -track.play_through_probability)
        return whole_tracks(by_probability[: self._n], request.free_bytes)
