"""Tier placement: the best wait that a budget buys."""

from itertools import product

import pandas as pd
import pytest

from cache_client.laboratory_errors import UsageError
from cache_client.placement import CLASSES, TrackDemand, demands, measured, place
from data import Catalogue

LATENCY_S = {"SLOW": 0.5, "MEDIUM": 0.05, "FAST": 0.005}
TRACKS = [
    TrackDemand("hit", 3.0, "SLOW", 100.0),
    TrackDemand("steady", 4.0, "FAST", 10.0),
    TrackDemand("rare", 4.0, "MEDIUM", 1.0),
    TrackDemand("forgotten", 5.0, None, 0.0),
]


def test_all_slow_costs_least_and_less_than_that_is_an_error() -> None:
    least = 0.003 * 16
    assert place(TRACKS, least, LATENCY_S).classes == ("SLOW",) * 4
    with pytest.raises(UsageError, match=r"below 0\.05, all tracks in SLOW"):
        place(TRACKS, least - 0.001, LATENCY_S)


def test_the_first_step_up_goes_to_the_track_with_the_most_plays_a_minute() -> None:
    assert place(TRACKS, 0.003 * 16 + 0.003 * 3, LATENCY_S).classes == ("MEDIUM", "SLOW", "SLOW", "SLOW")


def test_of_two_as_long_the_one_that_is_started_more_often_goes_first() -> None:
    budget = 0.003 * 16 + 0.003 * (3 + 4)
    assert place(TRACKS, budget, LATENCY_S).classes == ("MEDIUM", "MEDIUM", "SLOW", "SLOW")


def test_the_one_affordable_move_leaves_the_fewest_seconds_of_waiting_whatever_is_heard() -> None:
    # In one day the first track is started 20 times and left at once, the other 10 times and heard out.
    starts = [("left", 1.0, 180.0)] * 20 + [("heard out", 180.0, 180.0)] * 10
    plays = pd.DataFrame(starts, columns=["track_id", "listened_s", "duration_s"])
    plays["started_at"] = pd.date_range("2030-01-01", "2030-01-02", len(plays))
    columns = {"id": ["left", "heard out"], "duration_ms": 180_000, "storage_class": "SLOW", "popularity": 50}
    wanted = demands(Catalogue(pd.DataFrame(columns)), plays)
    found = place(wanted, 0.003 * 6 + 0.003 * 3, LATENCY_S)
    assert found.classes == ("MEDIUM", "SLOW")
    other = measured(wanted, ("SLOW", "MEDIUM"), LATENCY_S)
    assert (found.wait_s_per_day, other.wait_s_per_day) == pytest.approx((6.0, 10.5), rel=0.02)


def test_a_track_that_nobody_plays_stays_slow_however_large_the_budget() -> None:
    assert place(TRACKS, 1_000.0, LATENCY_S).classes == ("FAST", "FAST", "FAST", "SLOW")


def test_no_placement_within_what_was_spent_waits_less() -> None:
    for budget in (0.05, 0.06, 0.1, 0.2, 0.3):
        found = place(TRACKS, budget, LATENCY_S)
        assert found.cost_per_day <= budget + 1e-9
        others = (measured(TRACKS, classes, LATENCY_S) for classes in product(CLASSES, repeat=4))
        within = [it.wait_s_per_day for it in others if it.cost_per_day <= found.cost_per_day + 1e-9]
        assert found.wait_s_per_day == pytest.approx(min(within))
