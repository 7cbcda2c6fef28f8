"""Figures of policies on the same plays."""

import numpy as np
import pytest

from cache_client.prefetch.plan import Objective
from cache_client.rationed import BUDGETS, RationedReport, compare_policies
from cache_client.rationed.figures import figures, gain, sums_by_listener
from cache_client.rationed.policies import policies
from tests.cache_client.rationed.made_offers import many

OFFERS = many()


@pytest.fixture(scope="module")
def report() -> RationedReport:
    return compare_policies(OFFERS, policies(OFFERS.all, {}, ""))


def test_figures_are_those_of_what_was_fetched() -> None:
    taken = np.zeros(len(OFFERS.listener))
    chosen = [np.flatnonzero(~OFFERS.played_through)[0], np.flatnonzero(OFFERS.played_through)[0]]
    taken[chosen] = 1.0
    skipped, heard = OFFERS.size_bytes[chosen].tolist()
    found = figures(sums_by_listener(OFFERS, taken), 2.0 * (skipped + heard))
    assert found.wasted_ratio.value == pytest.approx(0.5 * skipped / (skipped + heard))
    assert found.heard_s_per_mb.value == pytest.approx((1 - found.wasted_ratio.value) * 50)
    assert found.completed_covered.value == pytest.approx(1 / OFFERS.played_through.sum())
    assert found.spent_ratio == pytest.approx(0.5)


def test_no_policy_beats_the_oracle_and_those_that_know_something_beat_chance(report: RationedReport) -> None:
    for budget in BUDGETS:
        waste, plays = (report.figures[budget][it] for it in Objective)
        for name in ("random", "shortest", "past-rate", "replays"):
            assert waste[name].wasted_ratio.value >= waste["oracle"].wasted_ratio.value
            assert plays[name].completed_covered.value <= plays["oracle"].completed_covered.value
        assert waste["past-rate"].wasted_ratio.value < waste["random"].wasted_ratio.value
        assert plays["past-rate"].completed_covered.value > plays["random"].completed_covered.value


def test_budgets_are_held_and_spent(report: RationedReport) -> None:
    for by_objective in report.figures.values():
        for by_policy in by_objective.values():
            assert all(it.spent_ratio <= 1.0 for it in by_policy.values())
            assert min(it.spent_ratio for name, it in by_policy.items() if name != "oracle") > 0.9


def test_intervals_hold_their_values_and_are_of_listeners(report: RationedReport) -> None:
    for estimate in report.figures[0.5][Objective.BYTES]["past-rate"][:3]:
        assert estimate.low < estimate.value < estimate.high
    # A single listener has no spread.
    alone = many(n_listeners=1)
    found = figures(sums_by_listener(alone, np.ones(len(alone.listener))), 1.0)
    assert found.wasted_ratio.low == found.wasted_ratio.high == found.wasted_ratio.value


def test_gains_are_measured_between_the_past_rate_chance_and_the_oracle() -> None:
    none, half = np.zeros(len(OFFERS.listener)), np.full(len(OFFERS.listener), 0.5)
    best = OFFERS.played_through.astype(float)
    chance, all_of_it = sums_by_listener(OFFERS, none), sums_by_listener(OFFERS, best)
    middle = sums_by_listener(OFFERS, half)
    found = gain(middle, middle, chance, all_of_it)
    assert (found.less_waste.value, found.more_covered.value) == (0.0, 0.0)
    assert found.share_of_oracle.value == pytest.approx(0.5)
    assert gain(all_of_it, middle, chance, all_of_it).less_waste.value == pytest.approx(1.0)


def test_too_high_an_expectation_leaves_some_of_the_budget(report: RationedReport) -> None:
    by_name = policies(OFFERS.all, {}, "")
    doubled = compare_policies(OFFERS, by_name, expected=2.0)
    spent = doubled.figures[0.5][Objective.BYTES]["past-rate"].spent_ratio
    assert spent < report.figures[0.5][Objective.BYTES]["past-rate"].spent_ratio
