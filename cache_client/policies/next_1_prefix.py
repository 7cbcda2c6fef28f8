"""The beginning of the next track: the least that lets it start at once."""

from cache_client.policies.base import first_parts
from cache_client.prefetch.plan import Plan, PrefetchRequest

PREFIX_S = 10.0
"""How much of it, in seconds."""


class Next1Prefix:
    """Fetches the first seconds of the next track."""

    needs_predictions = False

    def plan(self, request: PrefetchRequest) -> Plan:
        """Returns what is missing of the next track's prefix."""
        prefix_bytes = max(request.delivery.size_bytes(PREFIX_S), request.delivery.chunk_bytes)
        parts = ((track, min(prefix_bytes, track.size_bytes)) for track in request.queue[:1])
        return first_parts(parts, request.free_bytes)
