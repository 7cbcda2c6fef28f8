"""The next tracks of the queue in full, as players commonly do."""

from cache_client.prefetch import Fetch, PrefetchRequest


class NextN:
    """Fetches the next n tracks whole, in queue order."""

    needs_predictions = False

    def __init__(self, n: int = 3) -> None:
        """Takes how many tracks to look ahead."""
        self._n = n

    def plan(self, request: PrefetchRequest) -> list[Fetch]:
        """Returns what is missing of the next n tracks, the last one cut where the cache is full."""
        fetches = []
        free_bytes = request.free_bytes
        for track in request.queue[: self._n]:
            take_bytes = min(track.size_bytes - track.cached_bytes, free_bytes)
            if take_bytes > 0:
                first_byte = track.cached_bytes
                fetches.append(Fetch(track.track_id, first_byte, first_byte + take_bytes - 1))
                free_bytes -= take_bytes
        return fetches
