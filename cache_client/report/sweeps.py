"""How policies fare when one thing about the world changes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from cache_client.policies import Policy
from cache_client.prefetch.score import ScoreWeights
from cache_client.simulator import RecordedSession, SessionPredictions, World
from cache_client.simulator.metrics import figures
from cache_client.simulator.simulation import replay_all

Change = Callable[[World, float], World]


def _bandwidth(world: World, mbit: float) -> World:
    return replace(world, link=replace(world.link, bandwidth_bit_per_s=mbit * 1e6))


def _cache(world: World, megabytes: float) -> World:
    return replace(world, cache_bytes=round(megabytes * 1e6))


def _horizon(world: World, tracks: float) -> World:
    return replace(world, horizon=int(tracks))


Axis = tuple[Change, Callable[[World], float], tuple[float, ...]]

AXES: dict[str, Axis] = {
    "bandwidth, Mbit/s": (_bandwidth, lambda it: it.link.bandwidth_bit_per_s / 1e6, (0.2, 0.5, 1, 2, 5, 20)),
    "cache, MB": (_cache, lambda it: it.cache_bytes / 1e6, (1, 4, 16, 64)),
    "horizon, tracks": (_horizon, lambda it: it.horizon, (1, 2, 5, 10)),
}
"""What is changed, what it is in the world of the run, and to which values."""


def axes_of(world: World) -> list[str]:
    """Returns the axes along which a world can change: the bandwidth of recorded links is as recorded."""
    return [name for name in AXES if not (world.link.traces and AXES[name][0] is _bandwidth)]


def sweep(
    name: str,
    sessions: Sequence[RecordedSession],
    policies: Mapping[str, Policy],
    predictions: Sequence[SessionPredictions],
    world: World,
    weights: ScoreWeights,
) -> tuple[tuple[float, ...], dict[str, list[float]]]:
    """Returns the values of one of `AXES`, the world's among them, and the mean scores there by policy."""
    change, value_of, usual = AXES[name]
    # The queue and its predictions reach no further than they were asked for; a cache of nothing has no
    # logarithm.
    values = sorted({*usual, value_of(world)} - {0.0})
    if change is _horizon:
        values = [value for value in values if value <= world.horizon]
    scores: dict[str, list[float]] = {policy: [] for policy in policies}
    for value in values:
        results = replay_all(sessions, policies, predictions, change(world, value))
        for policy, found in results.items():
            scores[policy].append(figures(found, weights).score)
    return tuple(values), scores
