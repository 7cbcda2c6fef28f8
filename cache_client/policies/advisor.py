"""The advisor as a policy, for any model that the server has."""

from dataclasses import dataclass
from typing import ClassVar

from cache_client.prefetch.advisor import advise
from cache_client.prefetch.plan import Plan, PrefetchRequest
from cache_client.prefetch.score import ScoreWeights


@dataclass(frozen=True)
class AdvisorPolicy:
    """Fetches what `cache_client.prefetch.advisor` finds worth its bytes."""

    weights: ScoreWeights
    needs_predictions: ClassVar[bool] = True

    def plan(self, request: PrefetchRequest) -> Plan:
        """Returns the advisor's plan."""
        return advise(request, self.weights)
