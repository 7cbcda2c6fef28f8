"""How policies fare when one thing about the world changes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from cache_client.policies import DEFAULT_POLICIES, Policy
from cache_client.prefetch.score import ScoreWeights
from cache_client.simulator import RecordedSession, SessionPredictions, World
from cache_client.simulator.metrics import figures
from cache_client.simulator.simulation import replay_all

Change = Callable[[World, float], World]


def _bandwidth(world: World, mbit: float) -> World:
    return replace(world, delivery=replace(world.delivery, bandwidth_bit_per_s=mbit * 1e6))


def _cache(world: World, megabytes: float) -> World:
    return replace(world, cache_bytes=round(megabytes * 1e6))


def _horizon(world: World, tracks: float) -> World:
    return replace(world, horizon=int(tracks))


AXES: dict[str, tuple[Change, tuple[float, ...]]] = {
    "bandwidth, Mbit/s": (_bandwidth, (0.5, 1, 2, 5, 20)),
    "cache, MB": (_cache, (1, 4, 16, 64)),
    "horizon, tracks": (_horizon, (1, 2, 5, 10)),
}


def sweep(
    name: str,
    sessions: Sequence[RecordedSession],
    policies: Mapping[str, Policy],
    predictions: Sequence[SessionPredictions],
    world: World,
    weights: ScoreWeights,
) -> tuple[tuple[float, ...], dict[str, list[float]]]:
    """Returns the values of one of `AXES` and the mean scores there by policy, all else as in the world.

    Of the policies those of `DEFAULT_POLICIES` take part, where any is among them: more crowd the picture.
    """
    change, all_values = AXES[name]
    # The queue and its predictions reach no further than they were asked for.
    values = tuple(value for value in all_values if change is not _horizon or value <= world.horizon)
    shown = {policy: it for policy, it in policies.items() if policy in DEFAULT_POLICIES} or dict(policies)
    scores: dict[str, list[float]] = {policy: [] for policy in shown}
    for value in values:
        results = replay_all(sessions, shown, predictions, change(world, value))
        for policy, found in results.items():
            scores[policy].append(figures(found, weights).score)
    return values, scores
