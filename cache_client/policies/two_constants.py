"""Two constants, which a sensible engineer would try first: the next track's start, and a short lead."""

from dataclasses import dataclass
from typing import ClassVar

from cache_client.policies.base import first_parts
from cache_client.prefetch.plan import AheadStep, Plan, PrefetchRequest


@dataclass(frozen=True)
class TwoConstants:
    """Fetches the first seconds of the next track, and streams the playing one so many seconds ahead."""

    head_s: float = 2.0
    lead_s: float = 5.0
    needs_predictions: ClassVar[bool] = False

    def plan(self, request: PrefetchRequest) -> Plan:
        """Returns what is missing of the next track's head, a chunk at least, and the lead."""
        head_bytes = max(request.delivery.size_bytes(self.head_s), request.delivery.chunk_bytes)
        parts = ((track, min(head_bytes, track.size_bytes)) for track in request.queue[:1])
        fetches = first_parts(parts, request.free_bytes).fetches
        return Plan(fetches, (AheadStep(0.0, self.lead_s),))
