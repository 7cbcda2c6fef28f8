"""All sessions under all policies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cache_client.policies import Policy
from cache_client.score import ScoreWeights
from cache_client.simulator.metrics import Comparison, PolicyFigures, compare, figures
from cache_client.simulator.session import SessionResult, World, replay_session
from cache_client.simulator.trace import RecordedSession

BASELINE = "next-n"
"""The policy that the others are compared with."""


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """What a simulation found.

    Attributes:
        sessions: How many sessions were replayed.
        plays: How many plays they hold.
        world: Link, storage, cache and horizon.
        policies: Figures by policy.
        comparisons: Each policy but `none` against `next-n`, where that took part.
    """

    sessions: int
    plays: int
    world: World
    policies: dict[str, PolicyFigures]
    comparisons: list[Comparison]


def simulate(
    sessions: Sequence[RecordedSession],
    policies: Mapping[str, Policy],
    probabilities: Sequence[Mapping[str, float]],
    world: World,
    weights: ScoreWeights,
    advance: Callable[[], None] = lambda: None,
) -> SimulationReport:
    """Replays every session under every policy.

    Args:
        sessions: At least one.
        policies: By name.
        probabilities: For each session, play-through probability by track id.
        world: Link, storage, cache and horizon.
        weights: Prices of a wait and of a wasted byte.
        advance: Called after each session of each policy, for a progress bar.
    """
    results: dict[str, list[SessionResult]] = {name: [] for name in policies}
    for session, predicted in zip(sessions, probabilities, strict=True):
        for name, policy in policies.items():
            results[name].append(replay_session(session, policy, predicted, world))
            advance()
    return SimulationReport(
        sessions=len(sessions),
        plays=sum(len(session.plays) for session in sessions),
        world=world,
        policies={name: figures(found, weights) for name, found in results.items()},
        comparisons=[
            compare(name, BASELINE, found, results[BASELINE], weights)
            for name, found in results.items()
            if BASELINE in results and name not in (BASELINE, "none")
        ],
    )
