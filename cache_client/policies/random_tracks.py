"""Any tracks of the queue: what a policy without a thought is worth."""

import random
from dataclasses import dataclass
from typing import ClassVar

from cache_client.policies.base import whole_tracks
from cache_client.prefetch.plan import Plan, PrefetchRequest


@dataclass(frozen=True)
class RandomTracks:
    """Fetches n whole tracks of the queue, drawn anew at each play, the same ones for the same request."""

    n: int = 3
    seed: int = 42
    needs_predictions: ClassVar[bool] = False

    def plan(self, request: PrefetchRequest) -> Plan:
        """Returns what is missing of the drawn tracks."""
        draw = random.Random(f"{self.seed}/{request.playing.track_id}/{request.position}")
        drawn = draw.sample(list(request.queue), min(self.n, len(request.queue)))
        return whole_tracks(drawn, request.free_bytes)
