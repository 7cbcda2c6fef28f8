"""Two constants at their best: chosen on earlier sessions, for links like those of the comparison."""

from collections.abc import Callable, Sequence

from cache_client.policies import TwoConstants
from cache_client.prefetch.score import ScoreWeights
from cache_client.simulator.metrics import session_scores
from cache_client.simulator.session import World
from cache_client.simulator.simulation import replay_all
from cache_client.simulator.trace import RecordedSession

HEADS_S = (2.0, 4.0, 10.0, 30.0, 60.0, 120.0, 400.0)
LEADS_S = (2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 60.0, 120.0, 400.0)

SESSIONS = 60
"""How many earlier sessions, the latest ones, decide: some thousand plays."""

REPLAYS = len(LEADS_S) + len(HEADS_S) + len(LEADS_S)
"""How many times `tuned_constants` replays the sessions."""


def tuned_constants(
    sessions: Sequence[RecordedSession],
    world: World,
    weights: ScoreWeights,
    advance: Callable[[int], None] = lambda replays: None,
) -> TwoConstants:
    """Returns the constants with the highest mean score: first the lead, then the head, the lead again.

    Args:
        sessions: Earlier ones; without any the constants that nobody tuned.
        world: Link, storage and cache, as policies are compared in them.
        weights: Prices of a wait and of a wasted byte.
        advance: Called with the number of replayed sessions, for a progress bar.
    """
    best = TwoConstants()
    if not sessions:
        return best
    best = _best([TwoConstants(best.head_s, lead_s) for lead_s in LEADS_S], sessions, world, weights, advance)
    best = _best([TwoConstants(head_s, best.lead_s) for head_s in HEADS_S], sessions, world, weights, advance)
    return _best([TwoConstants(best.head_s, lead_s) for lead_s in LEADS_S], sessions, world, weights, advance)


def _best(
    candidates: Sequence[TwoConstants],
    sessions: Sequence[RecordedSession],
    world: World,
    weights: ScoreWeights,
    advance: Callable[[int], None],
) -> TwoConstants:
    """Returns the candidate with the highest mean score, the first of equal ones."""
    named = {str(place): it for place, it in enumerate(candidates)}
    results = replay_all(sessions, named, [()] * len(sessions), world, advance)
    scores = {name: float(session_scores(found, weights).mean()) for name, found in results.items()}
    return named[max(scores, key=lambda name: scores[name])]
