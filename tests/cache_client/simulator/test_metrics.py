"""Figures and comparisons from sessions whose results are known."""

import pytest

from cache_client.prefetch.score import ScoreWeights
from cache_client.simulator.metrics import compare, figures
from cache_client.simulator.session import SessionResult

FIRST = SessionResult(
    listener_id="1",
    startup_delays_s=[0.7, 0.0, 0.2],
    stall_s=0.9,
    heard_s=1_200.0,
    hits=1,
    heard_bytes=1_000.0,
    hit_bytes=250.0,
    downloaded_bytes=2_000_000.0,
    used_bytes=1_000_000.0,
    wasted_bytes=1_000_000.0,
)
SECOND = SessionResult("2", startup_delays_s=[0.5], heard_s=600.0, heard_bytes=1_000.0)


def test_a_sessions_score_adds_minutes_and_takes_off_waits_and_waste() -> None:
    # 20 minutes - 1.85 · (0.7 + 0.2 + 0.9) s - 0.5 · 8 Mbit
    assert figures([FIRST], ScoreWeights()).score == pytest.approx(20.0 - 3.33 - 4.0)


def test_first_plays_stand_apart_from_those_that_follow() -> None:
    found = figures([FIRST, SECOND], ScoreWeights())
    assert found.startup_delay_p50_ms == pytest.approx(100.0)  # of 0 and 200 ms
    assert found.startup_delay_p95_ms == pytest.approx(190.0)
    assert found.first_play_delay_p50_ms == pytest.approx(600.0)  # of 700 and 500 ms


def test_ratios_are_over_all_sessions() -> None:
    found = figures([FIRST, SECOND], ScoreWeights())
    assert found.stall_ms_per_hour == pytest.approx(900.0 / 0.5)
    assert found.hit_ratio == 0.25
    assert found.byte_hit_ratio == 0.125
    assert (found.downloaded_bytes, found.wasted_bytes, found.wasted_ratio) == (2_000_000, 1_000_000, 0.5)


def test_sessions_of_one_play_leave_the_following_delays_at_zero() -> None:
    assert figures([SECOND], ScoreWeights()).startup_delay_p95_ms == 0.0


def test_the_interval_of_the_score_holds_it_and_is_the_same_each_time() -> None:
    results = [SessionResult(f"{minutes}", [0.0], heard_s=60.0 * minutes) for minutes in range(1, 31)]
    found = figures(results, ScoreWeights())
    low, high = found.score_ci95
    assert 1.0 < low < found.score == 15.5 < high < 30.0
    assert figures(results, ScoreWeights()).score_ci95 == found.score_ci95
    # Close to the normal interval, 1.96 · 8.655 / √30 = 3.10 to either side.
    assert high - low == pytest.approx(6.2, abs=0.6)


def test_a_comparison_is_paired() -> None:
    # Sessions differ a lot, and the two policies by the same 1,000 bytes in each of them.
    one = [
        SessionResult(f"{minutes}", [0.0], heard_s=60.0 * minutes, wasted_bytes=500.0)
        for minutes in range(1, 31)
    ]
    other = [
        SessionResult(f"{minutes}", [0.0], heard_s=60.0 * minutes, wasted_bytes=1_500.0)
        for minutes in range(1, 31)
    ]
    found = compare("a", "b", one, other, ScoreWeights())
    assert found.wasted_bytes_difference == -1_000.0
    assert found.wasted_bytes_difference_ci95 == (-1_000.0, -1_000.0)
    assert found.score_difference == pytest.approx(0.004)
    assert found.score_difference_ci95 == pytest.approx((0.004, 0.004))


def test_sessions_of_one_listener_count_once() -> None:
    # Each listener's four sessions are alike: they tell no more than one, so the interval is that of 30
    # values.
    results = [SessionResult(f"{it}", [0.0], heard_s=60.0 * it) for it in range(1, 31) for _ in range(4)]
    low, high = figures(results, ScoreWeights()).score_ci95
    assert high - low == pytest.approx(6.2, abs=0.6)


def test_one_listener_has_no_spread() -> None:
    results = [SessionResult("1", [0.0], heard_s=60.0 * minutes) for minutes in (1, 3)]
    assert figures(results, ScoreWeights()).score_ci95 == (2.0, 2.0)
