"""Whole tracks at a price of bytes."""

import pytest

from cache_client.prefetch.heard import mean_heard
from cache_client.prefetch.plan import CurvePoint, Fetch, Objective, Ration, UpcomingTrack
from cache_client.prefetch.ration import rationed, worth

BYTES_OF_A_SECOND = 20_000


def track(
    name: str, probability: float, *, duration_s: float = 100.0, cached_s: float = 0.0, curve: object = ()
) -> UpcomingTrack:
    size, cached = int(duration_s * BYTES_OF_A_SECOND), int(cached_s * BYTES_OF_A_SECOND)
    points = tuple(CurvePoint(*it) for it in curve)  # type: ignore[attr-defined]
    return UpcomingTrack(name, duration_s, size, None, cached, probability, points)


def test_the_units_are_the_share_heard_and_plays_a_megabyte() -> None:
    assert worth(track("a", 0.6), Objective.BYTES) == pytest.approx(0.8)
    assert worth(track("a", 0.6), Objective.PLAYS) == pytest.approx(0.3)


def test_a_curve_that_falls_early_makes_the_same_probability_worth_less() -> None:
    early = track("a", 0.6, curve=[(10.0, 0.6), (200.0, 0.6)])
    assert mean_heard(early) == pytest.approx(0.05 * (1.0 + 0.6) + 0.9 * 0.6)
    assert worth(early, Objective.BYTES) < worth(track("a", 0.6), Objective.BYTES)


def test_only_what_is_missing_counts() -> None:
    half = track("a", 0.6, cached_s=50.0)
    assert worth(half, Objective.BYTES) == pytest.approx(0.7)
    assert worth(half, Objective.PLAYS) == pytest.approx(0.6)
    assert worth(track("a", 0.6, cached_s=100.0), Objective.BYTES) == pytest.approx(0.6)


def test_what_is_worth_the_price_is_fetched_whole_the_most_worth_first() -> None:
    outlooks = [(track("low", 0.2), 1.0), (track("good", 0.8), 1.0), (track("best", 1.0, cached_s=10.0), 1.0)]
    found = rationed(outlooks, Ration(Objective.BYTES, 0.9), 10_000_000)
    assert found == [Fetch("best", 200_000, 1_999_999), Fetch("good", 0, 1_999_999)]


def test_a_track_that_may_not_be_reached_is_worth_less() -> None:
    outlooks = [(track("a", 0.8), 0.5)]
    assert rationed(outlooks, Ration(Objective.BYTES, 0.6), 10_000_000) == []
    assert len(rationed(outlooks, Ration(Objective.BYTES, 0.4), 10_000_000)) == 1


def test_no_track_is_begun_that_does_not_fit_and_a_smaller_one_may_follow() -> None:
    outlooks = [(track("long", 1.0, duration_s=300.0), 1.0), (track("short", 0.9), 1.0)]
    found = rationed(outlooks, Ration(Objective.BYTES, 0.0), 2_500_000)
    assert [fetch.track_id for fetch in found] == ["short"]
    assert rationed([(track("here", 1.0, cached_s=100.0), 1.0)], Ration(Objective.BYTES, 0.0), 10) == []
