"""What every prefetch policy is."""

from dataclasses import dataclass, field
from typing import Protocol

from cache_client.prefetch import Fetch, PrefetchRequest
from cache_client.score import ScoreWeights


@dataclass(frozen=True, slots=True)
class PolicyOptions:
    """What policies can be told.

    Attributes:
        next_n: How many tracks `next-n` fetches.
        weights: What a wait and a wasted byte cost, for policies that weigh them.
    """

    next_n: int = 3
    weights: ScoreWeights = field(default_factory=ScoreWeights)


class Policy(Protocol):
    """Decides at the start of a play what to fetch while it lasts.

    Attributes:
        needs_predictions: Whether `plan` reads `play_through_probability`.
    """

    needs_predictions: bool

    def plan(self, request: PrefetchRequest) -> list[Fetch]:
        """Returns what to fetch, in order.

        The plan replaces the one before it. Its ranges add up to at most `free_bytes`; each begins where the
        track's cached bytes, or the plan's range of it before, end; all lie within tracks of the queue.
        """
        ...
