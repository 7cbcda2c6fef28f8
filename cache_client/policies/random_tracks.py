"""Any tracks of the queue: what a policy without a thought is worth."""

import random

from cache_client.policies.base import whole_tracks
from cache_client.prefetch.plan import Plan, PrefetchRequest


class RandomTracks:
    """Fetches n whole tracks of the queue, drawn anew at each play, the same ones for the same request."""

    needs_predictions = False

    def __init__(self, n: int = 3, seed: int = 42) -> None:
        """Takes how many tracks to draw, and the draw's seed."""
        self._n, self._seed = n, seed

    def plan(self, request: PrefetchRequest) -> Plan:
        """Returns what is missing of the drawn tracks."""
        draw = random.Random(f"{self._seed}/{request.playing.track_id}/{request.position}")
        drawn = draw.sample(list(request.queue), min(self._n, len(request.queue)))
        return whole_tracks(drawn, request.free_bytes)
