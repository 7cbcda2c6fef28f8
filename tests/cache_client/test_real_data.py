"""What the project promises about the cache, on the real data where it is at hand."""

import pytest

from cache_client.policies import PolicyOptions, policies_named
from cache_client.prefetch.score import ScoreWeights
from cache_client.simulator import RecordedSession, World, recorded_sessions, simulate
from cache_client.simulator.link import LinkWorld
from data import plays, read_dataset
from tests.paths import V2


@pytest.fixture(scope="module")
def sessions() -> list[RecordedSession]:
    if not V2.is_dir():
        pytest.skip("the real data is not at ../shared/data/v2")
    dataset = read_dataset(V2)
    return recorded_sessions(plays(dataset), dataset.catalogue, holdout=0.2, continuation=10, seed=42)


@pytest.mark.parametrize("bandwidth_mbit", [0.5, 2.0, 20.0])
def test_the_advisor_beats_next_n_even_when_it_knows_only_the_average(
    sessions: list[RecordedSession], bandwidth_mbit: float
) -> None:
    world = World(link=LinkWorld(bandwidth_mbit * 1e6))
    weights = ScoreWeights()
    policies = policies_named(["none", "next-n-full", "advisor"], PolicyOptions(weights=weights))
    report = simulate(sessions, policies, [() for _ in sessions], world, weights)
    none, next_n_full, advisor = (report.policies[name] for name in ("none", "next-n-full", "advisor"))
    comparison, *_ = report.comparisons
    assert comparison.score_difference_ci95[0] > 0.0
    assert advisor.wasted_bytes <= 0.7 * next_n_full.wasted_bytes
    assert advisor.startup_delay_p95_ms <= min(265.0, next_n_full.startup_delay_p95_ms)
    assert advisor.score > none.score
