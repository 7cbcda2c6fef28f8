"""No prefetching: the floor that every policy is measured against."""

from cache_client.prefetch.plan import Plan, PrefetchRequest


class NoPrefetch:
    """Fetches nothing ahead."""

    needs_predictions = False

    def plan(self, request: PrefetchRequest) -> Plan:
        """Returns an empty plan."""
        return Plan()
