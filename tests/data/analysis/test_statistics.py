"""The statistics say what is in the data, and say nothing rather than nonsense when there is nothing."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from data.analysis import information
from data.analysis.description import describe
from data.analysis.distributions import histogram_of_whole_numbers, histogram_up_to_tail, summarise
from data.analysis.information import mutual_information
from data.analysis.skip_rates import skip_rates, survival, wilson_interval
from tests.data.tiny import Event, tiny_dataset


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (5, 5), (3, 7), (341, 1000)])
def test_wilson_interval_is_scipys(successes: int, trials: int) -> None:
    low, high = wilson_interval(np.array([successes]), np.array([trials]))
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high))


def test_wilson_interval_holds_its_share_however_the_numbers_round() -> None:
    trials = np.arange(1, 2000)
    for successes in (np.zeros_like(trials), trials, trials // 2):
        low, high = wilson_interval(successes, trials)
        assert (low <= successes / trials).all()
        assert (successes / trials <= high).all()


def test_skip_rates_count_each_group() -> None:
    rates = skip_rates(pd.Series([True, False, True, False]), pd.Series([7, 7, 3, 7]))
    assert [(rate.group, rate.plays, rate.skips) for rate in rates.groups] == [(3, 1, 1), (7, 3, 1)]


def test_groups_of_one_rate_are_put_down_to_chance_and_unequal_ones_are_not() -> None:
    skipped = pd.Series([True, False] * 200)
    alike = skip_rates(skipped, pd.Series(np.repeat([0, 1], 200)))
    apart = skip_rates(skipped, pd.Series([0, 1] * 200))
    assert alike.chance_p_value == pytest.approx(1.0)
    assert apart.chance_p_value is not None
    assert apart.chance_p_value < 1e-6


def test_survival_drops_at_skips_and_track_ends_but_kaplan_meier_at_skips_alone() -> None:
    # Skipped at 1 s, track ended at 2 s, skipped at 3 s, track ended at 4 s.
    curve = survival(np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, True, False]))
    assert curve.seconds == [0, 1, 2, 3, 4]
    assert curve.still_listening == pytest.approx([1, 3 / 4, 2 / 4, 1 / 4, 0])
    # At 3 s two plays were left, and one of them was skipped.
    assert curve.not_skipped == pytest.approx([1, 3 / 4, 3 / 4, 3 / 8, 3 / 8])


def test_a_histogram_loses_no_value_to_its_tail() -> None:
    values = np.arange(1000.0)
    counted = histogram_up_to_tail(values, tail_quantile=0.9)
    assert sum(counted.counts) + counted.n_beyond == 1000
    assert counted.n_beyond == 100


def test_whole_numbers_share_bins_evenly() -> None:
    few = histogram_of_whole_numbers([-1, 0, 0, 3])
    assert few.counts == [1, 2, 0, 0, 1]
    assert few.edges[0] == -1.5
    many = histogram_of_whole_numbers(np.arange(101))
    assert set(many.counts[:-1]) == {3}
    assert sum(many.counts) == 101


def test_a_summary_ignores_what_is_not_a_number() -> None:
    assert summarise([1.0, np.nan, 3.0, np.inf]).mean == 2.0
    assert summarise([5.0]).std is None
    assert summarise([]).mean is None


def test_mutual_information_finds_the_attribute_that_tells_and_repeats_itself() -> None:
    rng = np.random.default_rng(1)
    skipped = rng.random(400) < 0.4
    table = pd.DataFrame({"energy": skipped + rng.normal(0, 0.1, 400), "tempo": rng.random(400)})
    listeners = rng.integers(0, 4, 400)
    once = mutual_information(table, listeners, skipped, seed=3)
    assert once.attributes[0].attribute == "energy"
    assert once.attributes[0].nats == pytest.approx(once.entropy_nats, abs=0.05)
    assert once.shuffled_nats is not None
    assert once.shuffled_nats < 0.1
    assert mutual_information(table, listeners, skipped, seed=3) == once


def test_mutual_information_is_estimated_on_a_sample_of_many_plays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(information, "MOST_PLAYS", 100)
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"energy": rng.random(150)})
    measured = mutual_information(table, np.zeros(150, dtype=np.int64), rng.random(150) < 0.5, seed=0)
    assert measured.n_plays == 100


def test_every_column_with_a_unit_names_it() -> None:
    statistics = describe(tiny_dataset([(0, 1, "a", "PLAY", 5), (30, 1, "a", "SKIP", 5)]))
    assert "duration_s" in statistics.correlation.columns
    assert "duration" not in statistics.correlation.columns


def test_a_data_set_is_counted() -> None:
    statistics = describe(
        tiny_dataset([
            (0, 1, "a", "PLAY", 5), (30, 1, "a", "SKIP", 5), (40, 1, "", "ADVERTISEMENT", 5),
            (60, 1, "b", "PLAY", 5), (0, 2, "a", "PLAY", 6),
        ])
    )  # fmt: skip
    assert statistics.event_counts == {"PLAY": 3, "SKIP": 1, "LIKE": 0, "ADVERTISEMENT": 1, "BUY_PREMIUM": 0}
    assert (statistics.rows.sessions, statistics.rows.plays) == (2, 3)
    assert statistics.overall is not None
    assert statistics.overall.rate == pytest.approx(1 / 3)
    assert {rate.group: rate.rate for rate in statistics.by_listener.groups} == {"1": 0.5, "2": 0.0}
    assert {rate.group: rate.plays for rate in statistics.by_position.groups} == {0: 2, 1: 1}
    assert [rate.group for rate in statistics.by_hour.groups] == [0]
    assert statistics.seconds_to_skip.summary.median == 30.0
    assert statistics.share_heard.summary.median == pytest.approx(0.3)


DEGENERATE: dict[str, list[Event]] = {
    "no event": [],
    "no play": [(0, 1, "", "ADVERTISEMENT", 5)],
    "one play": [(0, 1, "a", "PLAY", 5)],
    "one skip": [(0, 1, "a", "PLAY", 5), (9, 1, "a", "SKIP", 5)],
    "skipped at once": [(0, 1, "a", "PLAY", 5), (0, 1, "a", "SKIP", 5)],
    "one listener, no skip": [(400 * n, 1, "ab"[n % 2], "PLAY", n // 9) for n in range(30)],
}


@pytest.mark.parametrize("events", DEGENERATE.values(), ids=DEGENERATE.keys())
def test_what_cannot_be_computed_is_null_in_json_and_never_nan(events: list[Event]) -> None:
    statistics = describe(tiny_dataset(events))
    written = json.dumps(statistics.as_dict(), allow_nan=False)
    assert json.loads(written)["rows"]["plays"] == sum(event[3] == "PLAY" for event in events)


def test_tracks_that_nobody_stored_are_left_out_of_the_storage_classes() -> None:
    dataset = tiny_dataset([(0, 1, "a", "PLAY", 5)])
    statistics = describe(replace(dataset, track_storage=dataset.track_storage.iloc[:0]))
    assert [entry.plays_per_track for entry in statistics.storage_classes] == [None, None, None]
