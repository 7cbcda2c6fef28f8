"""No prefetching: the floor that every policy is measured against."""

from cache_client.prefetch import Fetch, PrefetchRequest


class NoPrefetch:
    """Fetches nothing ahead."""

    needs_predictions = False

    def plan(self, request: PrefetchRequest) -> list[Fetch]:
        """Returns an empty plan."""
        return []
