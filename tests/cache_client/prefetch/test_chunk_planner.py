"""The chunk planner does what its model of listener and link makes best."""

import pytest

from cache_client.prefetch.chunk_planner import ChunkPlanner, Stage, mean_rate
from cache_client.prefetch.chunks import Chunks, ChunkWeights, Pace, Ready
from cache_client.prefetch.throughput import Transfer

SIZES = (0.75, 1.2, 1.85)


def track(heard: tuple[float, ...]) -> Chunks:
    return Chunks(tuple((mbit,) * (len(heard) - 1) for mbit in SIZES), heard)


STAYING = track((1.0,) * 9)
LEAVING = track(tuple(0.6**second for second in range(9)))


def planner(ahead_switch: float = 0.0) -> ChunkPlanner:
    return ChunkPlanner(ChunkWeights(ahead_switch=ahead_switch), rtt_s=0.08)


def test_a_link_that_carries_little_gets_the_lowest_bit_rate_and_a_wide_one_the_highest() -> None:
    levels = [planner().step(Stage(STAYING, 0, None, 0.0), rate).level for rate in (0.8, 20.0)]
    assert levels == [0, 2]


def test_where_skips_are_likely_a_chunk_waits_that_is_not_needed_yet() -> None:
    assert planner().step(Stage(LEAVING, 3, 2, 1.5), 20.0).level is None


def test_without_a_lead_there_is_nothing_to_wait_for() -> None:
    assert planner().step(Stage(LEAVING, 3, 2, 0.0), 20.0).level is not None


def test_the_more_likely_a_skip_the_shorter_the_lead() -> None:
    def longest_lead(chunks: Chunks) -> int:
        fetched = [
            tenths for tenths in range(20) if planner().step(Stage(chunks, 4, 2, tenths / 10), 4.0).level
        ]
        return max(fetched, default=-1)

    assert longest_lead(LEAVING) < longest_lead(STAYING)


def test_the_next_tracks_first_chunk_is_fetched_ahead_unless_that_is_charged_or_done() -> None:
    stage = Stage(LEAVING, 8, 0, 1.0, following=STAYING)
    assert planner().step(stage, 1.5).ahead
    assert not planner().step(stage._replace(ready=Ready(0, 1)), 1.5).ahead
    early = stage._replace(fetched=3, lead_s=1.5)
    assert planner().step(early, 1.5).ahead
    assert not planner(ahead_switch=10.0).step(early, 1.5).ahead


def test_a_change_of_bit_rate_has_its_price() -> None:
    # The last chunk alone: the highest bit rate is worth 0.55 more than the lowest, a change to it costs 1.1.
    levels = [planner().step(Stage(STAYING, 7, before, 0.0), 1e3).level for before in (0, 1)]
    assert levels == [0, 1]


def test_transfers_take_the_forecast_time_in_the_mean() -> None:
    pace = Pace(2.0, 0.5, 0.08)
    times = pace.transfers_s(3.0)
    assert sum(times) / len(times) == pytest.approx(pace.transfer_s(3.0)) == pytest.approx(1.58)
    assert min(times) < 1.2 < 2.0 < max(times)


def test_the_rate_is_what_came_by_the_time_that_it_took() -> None:
    assert mean_rate((), 0.08, 1.2) == pytest.approx(1.2)
    seen = [Transfer(250_000, 1.08)] * 20 + [Transfer(125_000, 1.08)] * 20
    assert mean_rate(seen, 0.08, 1.2) == pytest.approx(1.0)
    assert 1.2 < mean_rate(seen[:1], 0.08, 1.2) < 2.0
