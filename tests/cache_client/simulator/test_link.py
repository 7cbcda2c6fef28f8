"""Links of the simulator: dropouts as told, recordings as recorded."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_client.prefetch.link_observer import LinkObserver
from cache_client.simulator.link import LinkTrace, LinkWorld, RecordedLink, sent_s, watch


def test_dropouts_come_as_often_and_last_as_long_as_told() -> None:
    link, now_s, silent_s, dropouts = LinkWorld().link("seed"), 0.0, 0.0, 0
    while now_s < 3_600_000.0:
        change_s = link.change_s(now_s)
        if link.bytes_per_s(now_s) == 0.0:
            silent_s, dropouts = silent_s + change_s - now_s, dropouts + 1
        now_s = change_s
    assert dropouts == pytest.approx(6_000, rel=0.05)
    assert silent_s / dropouts == pytest.approx(1.5, rel=0.05)


def test_a_link_without_dropouts_never_changes() -> None:
    link = LinkWorld(8_000.0, dropouts_per_hour=0.0).link("seed")
    assert (link.bytes_per_s(1e9), link.change_s(1e9)) == (1_000.0, math.inf)


def test_a_request_in_a_dropout_leaves_when_the_link_is_back() -> None:
    link = LinkWorld().link("seed")
    from_s = link.change_s(0.0)
    assert sent_s(link, from_s - 0.001) == from_s - 0.001
    after_s = link.change_s(from_s + 1e-6)
    assert sent_s(link, from_s + 1e-6) == after_s


def test_a_recorded_link_carries_what_was_recorded_and_begins_again_after_its_end() -> None:
    link = RecordedLink(LinkTrace("t", [2.0, 3.0], [100.0, 0.0]), 1.0)
    assert [link.bytes_per_s(at_s) for at_s in (0.0, 0.9, 1.1, 3.9, 4.1, 5.9)] == [100, 100, 0, 0, 100, 100]
    assert link.change_s(0.0) == pytest.approx(1.0)
    assert link.change_s(1.5) == pytest.approx(4.0)


@given(
    durations_s=st.lists(st.floats(0.001, 1e4), min_size=1, max_size=8),
    from_s=st.floats(0.0, 1e5),
    now_s=st.floats(0.0, 1e6),
)
def test_time_on_a_recorded_link_always_moves_on(
    durations_s: list[float], from_s: float, now_s: float
) -> None:
    link = RecordedLink(LinkTrace("t", durations_s, [1.0] * len(durations_s)), from_s)
    assert link.change_s(now_s) > now_s


def test_each_seed_draws_its_own_trace_and_moment_and_always_the_same() -> None:
    world = LinkWorld(traces=tuple(LinkTrace(f"{it}", [10.0, 10.0], [float(it), 0.0]) for it in range(1, 5)))
    rates = [[world.link(f"{seed}").bytes_per_s(at_s) for at_s in range(20)] for seed in range(30)]
    assert len({max(it) for it in rates}) == 4
    assert rates[0] == [world.link("0").bytes_per_s(at_s) for at_s in range(20)]


def test_watching_a_link_sees_its_rate_and_its_silences() -> None:
    observer = LinkObserver(20_000.0)
    link = RecordedLink(LinkTrace("t", [500.0, 4.0], [250_000.0, 0.0]), 0.0)
    watch(link, 5_040.0, 20_000.0, observer)
    seen = observer.observations()
    assert seen.silences_s == pytest.approx([4.0] * 10)
    assert seen.watched_s == pytest.approx(5_040.0)
    assert {it.size_bytes / it.duration_s for it in seen.transfers} == {250_000.0}
