"""All sessions under all policies, and the report of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cache_client.policies import TUNED, Policy
from cache_client.prefetch.link_estimate import LinkObservations
from cache_client.prefetch.link_observer import LinkObserver
from cache_client.prefetch.score import ScoreWeights
from cache_client.simulator.device import Device, seen_before
from cache_client.simulator.metrics import Comparison, PolicyFigures, compare, figures
from cache_client.simulator.session import SessionPredictions, SessionResult, World, replay_session
from cache_client.simulator.trace import RecordedSession

BASELINE = "next-n-full"
"""The policy that the others are compared with."""

RIVALS = (TUNED, "listener-rate")
"""What the advisor has to beat: the best constants, and its own rule without a model."""

Results = dict[str, list[SessionResult]]


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """What a simulation found."""

    sessions: int  # how many were replayed
    plays: int  # how many they hold
    world: World
    policies: dict[str, PolicyFigures]
    comparisons: list[Comparison]  # all but `none` with `next-n-full`; `advisor` with its `RIVALS`


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
    if "advisor" in results:
        pairs += [("advisor", rival) for rival in RIVALS if rival in results]
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
        sessions: What listeners did, each listener's in time order.
        policies: By name.
        predictions: For each session, the server's at each play.
        world: Link, storage, cache and horizon.
        advance: Called with 1 after each replay of a session, for a progress bar.
    """
    found: dict[str, dict[int, SessionResult]] = {name: {} for name in policies}
    places: dict[str, list[int]] = {}
    for place, session in enumerate(sessions):
        places.setdefault(session.listener_id, []).append(place)
    for of_listener in places.values():
        seen = _seen_before(sessions[of_listener[0]], world)
        for name, policy in policies.items():
            device = Device(world.cache_bytes, LinkObserver(world.delivery.audio_bytes_per_s, seen))
            for place in of_listener:
                keep_cache = world.cache_kept and place != of_listener[-1]
                found[name][place] = replay_session(
                    sessions[place], policy, predictions[place], world, device, keep_cache=keep_cache
                )
                advance(1)
    return {name: [results[place] for place in range(len(sessions))] for name, results in found.items()}


def _seen_before(first: RecordedSession, world: World) -> LinkObservations | None:
    """Returns what a device saw of its link before its listener's first session here."""
    if not world.link_remembered:
        return None
    link = world.link.link(f"{world.seed}/{first.listener_id}/before")
    return seen_before(link, first.listened_before_s, world.delivery.audio_bytes_per_s)
