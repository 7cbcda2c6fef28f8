"""The next tracks of the queue in full, as players commonly do."""

from dataclasses import dataclass
from typing import ClassVar

from cache_client.policies.base import whole_tracks
from cache_client.prefetch.plan import Plan, PrefetchRequest


@dataclass(frozen=True)
class NextNFull:
    """Fetches the next n tracks whole, in queue order."""

    n: int = 3
    needs_predictions: ClassVar[bool] = False

    def plan(self, request: PrefetchRequest) -> Plan:
        """Returns what is missing of the next n tracks, the last one cut where the cache is full."""
        return whole_tracks(request.queue[: self.n], request.free_bytes)
