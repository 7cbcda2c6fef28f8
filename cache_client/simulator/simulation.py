"""All sessions under all policies, and the report of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cache_client.policies import Policy
from cache_client.prefetch.score import ScoreWeights
from cache_client.simulator.metrics import Comparison, PolicyFigures, compare, figures
from cache_client.simulator.session import SessionPredictions, SessionResult, World, replay_session
from cache_client.simulator.trace import RecordedSession

BASELINE = "next-n-full"
"""The policy that the others are compared with."""

Results = dict[str, list[SessionResult]]


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """What a simulation found."""

    sessions: int  # how many were replayed
    plays: int  # how many they hold
    world: World
    policies: dict[str, PolicyFigures]
    comparisons: list[Comparison]  # all but `none` with `next-n-full`; `advisor` with the best of the others


def simulate(
    sessions: Sequence[RecordedSession],
    policies: Mapping[str, Policy],
    predictions: Sequence[SessionPredictions],
    world: World,
    weights: ScoreWeights,
    advance: Callable[[int], None] = lambda replays: None,
) -> SimulationReport:
    """Returns how the policies compare on at least one session; arguments as of `replay_all`."""
    results = replay_all(sessions, policies, predictions, world, advance)
    found = {name: figures(of_policy, weights) for name, of_policy in results.items()}
    pairs = [(name, BASELINE) for name in results if BASELINE in results and name not in (BASELINE, "none")]
    rivals = [name for name in results if name not in ("advisor", "oracle")]
    if "advisor" in results and rivals:
        next_best = max(rivals, key=lambda name: found[name].score)
        pairs += [("advisor", next_best)] if next_best != BASELINE else []
    return SimulationReport(
        sessions=len(sessions),
        plays=sum(len(session.plays) for session in sessions),
        world=world,
        policies=found,
        comparisons=[compare(a, b, results[a], results[b], weights) for a, b in pairs],
    )


def replay_all(
    sessions: Sequence[RecordedSession],
    policies: Mapping[str, Policy],
    predictions: Sequence[SessionPredictions],
    world: World,
    advance: Callable[[int], None] = lambda replays: None,
) -> Results:
    """Returns each policy's results in the sessions' order.

    Args:
        sessions: What listeners did.
        policies: By name.
        predictions: For each session, the server's at each play.
        world: Link, storage, cache and horizon.
        advance: Called with 1 after each replay of a session, for a progress bar.
    """
    results: Results = {name: [] for name in policies}
    for session, predicted in zip(sessions, predictions, strict=True):
        for name, policy in policies.items():
            results[name].append(replay_session(session, policy, predicted, world))
            advance(1)
    return results
