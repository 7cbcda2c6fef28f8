"""Policies' scores in one world, over several draws of its links."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.replays.material import Material
from cache_client.policies import TUNED, PolicyOptions, TwoConstants, policies_named
from cache_client.prefetch.score import ScoreWeights
from cache_client.simulator import SessionResult, World
from cache_client.simulator.metrics import Interval, listeners_of, mean_ci95, session_scores
from cache_client.simulator.simulation import replay_all
from cache_client.simulator.tuning import tuned_constants


@dataclass(frozen=True, slots=True)
class WorldScores:
    """What policies came to in one world."""

    constants: TwoConstants  # the best ones for earlier sessions over such links
    scores: Mapping[str, NDArray[np.float64]]  # a session's, means over the draws, (n_sessions,)
    results: Mapping[str, list[SessionResult]]  # of all draws, one after the other
    listeners: list[str]

    def lead(self, policy: str, rival: str) -> tuple[float, Interval]:
        """Returns the mean difference a session, and its interval by listener."""
        difference = self.scores[policy] - self.scores[rival]
        return float(difference.mean()), mean_ci95(difference, self.listeners)

    def share_of_gain(self, policy: str) -> float:
        """Returns how much of what the oracle gains over `none` a policy gains."""
        gain = {name: float((self.scores[name] - self.scores["none"]).mean()) for name in (policy, "oracle")}
        return gain[policy] / gain["oracle"]


def scores_in(
    material: Material, world: World, weights: ScoreWeights, draws: int, policies: Sequence[str] = ()
) -> WorldScores:
    """Returns the scores of named policies, the default ones when none is named."""
    constants = tuned_constants(material.earlier, world, weights)
    chosen = policies_named(policies, PolicyOptions(weights=weights)) | {TUNED: constants}
    results: dict[str, list[list[SessionResult]]] = {name: [] for name in chosen}
    for draw in range(draws):
        drawn = replace(world, seed=world.seed + draw)
        for name, found in replay_all(
            material.sessions, chosen, material.predictions.by_session, drawn
        ).items():
            results[name].append(found)
    scores = {
        name: np.mean([session_scores(it, weights) for it in found], axis=0)
        for name, found in results.items()
    }
    pooled = {name: [it for draw in found for it in draw] for name, found in results.items()}
    return WorldScores(constants, scores, pooled, listeners_of(next(iter(results.values()))[0]))
