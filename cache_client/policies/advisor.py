"""The advisor as a policy, for any model that the server has."""

from cache_client.prefetch.advisor import advise
from cache_client.prefetch.plan import Plan, PrefetchRequest
from cache_client.prefetch.score import ScoreWeights


class AdvisorPolicy:
    """Fetches what `cache_client.prefetch.advisor` says is worth its bytes."""

    needs_predictions = True

    def __init__(self, weights: ScoreWeights) -> None:
        """Takes what a wait and a wasted byte cost."""
        self._weights = weights

    def plan(self, request: PrefetchRequest) -> Plan:
        """Returns the advisor's plan."""
        return advise(request, self._weights)
