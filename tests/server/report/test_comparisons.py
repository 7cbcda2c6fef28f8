"""The report's own formulas against libraries, and against what they promise, by simulation."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import roc_auc_score

from server.report import clustered
from server.report.clustered import Estimate
from server.report.sample_ratio import sequential_ratio_p_value
from server.report.sequential import (
    MIN_CLUSTERS_PER_ARM,
    always_valid_interval,
    always_valid_p_value,
)

Random = np.random.Generator
DEVIATION = 0.05


@pytest.fixture
def random() -> Random:
    return np.random.default_rng(20300101)


def correlated(random: Random, n: int, n_clusters: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    clusters = random.integers(n_clusters, size=n)
    return random.normal(size=n_clusters)[clusters] + random.normal(size=n), clusters


def test_means_and_differences_are_those_of_statsmodels(random: Random) -> None:
    from statsmodels.regression.linear_model import OLS

    values, clusters = correlated(random, 400, 25)
    second = random.random(400) < 0.3
    for estimate, design in (
        (clustered.mean(values, clusters), np.ones((400, 1))),
        (clustered.difference(values, second, clusters), np.column_stack([np.ones(400), second])),
    ):
        fitted = OLS(values, design).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
        assert estimate.value == pytest.approx(fitted.params[-1])
        factor = (400 - 1) / (400 - design.shape[1])
        assert estimate.variance * factor == pytest.approx(fitted.bse[-1] ** 2)
        assert estimate.n_clusters == 25


def test_intervals_and_p_values_agree_with_students_t(random: Random) -> None:
    values = random.normal(0.3, 1, size=40)
    estimate = clustered.mean(values, np.arange(40))
    expected = stats.ttest_1samp(values, 0)
    assert estimate.ci95 == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert estimate.p_value == pytest.approx(expected.pvalue)


def test_one_listener_tells_no_uncertainty() -> None:
    estimate = clustered.mean(np.array([0.0, 1.0]), np.array([0, 0]))
    assert (estimate.value, estimate.ci95, estimate.p_value) == (0.5, None, None)


def test_the_area_under_the_curve_is_that_of_scikit_learn(random: Random) -> None:
    positive = random.random(300) < 0.6
    scores = np.round(random.normal(size=300) + positive, 1)  # with ties
    estimate = clustered.roc_auc(positive, scores, random.integers(20, size=300))
    assert estimate is not None
    assert estimate.value == pytest.approx(roc_auc_score(positive, scores))
    assert clustered.roc_auc(np.ones(3, bool), np.arange(3.0), np.arange(3)) is None


def test_the_interval_of_the_area_covers_the_truth_although_listeners_repeat(random: Random) -> None:
    """At 40 listeners with 10 plays each; an interval that ignored them would cover far less than 95 %."""
    covered = 0
    for _ in range(400):
        clusters = np.repeat(np.arange(40), 10)
        positive = np.repeat(random.random(40) < 0.5, 10)  # a listener's plays all end alike: the worst case
        scores = positive + np.repeat(random.normal(size=40), 10) + 0.3 * random.normal(size=400)
        estimate = clustered.roc_auc(positive, scores, clusters)
        assert estimate is not None
        assert estimate.ci95 is not None
        low, high = estimate.ci95
        covered += low <= stats.norm.cdf(1 / math.sqrt(2 * (1 + 0.3**2))) <= high
    assert 0.90 <= covered / 400 <= 0.99


def test_the_always_valid_interval_and_p_value_are_one_test() -> None:
    for value in (0.0, 0.05, 0.062, 0.064, 0.2):
        estimate = Estimate(value, 0.02**2, 1000, 998)
        low, high = always_valid_interval(estimate, DEVIATION)
        assert (always_valid_p_value(estimate, DEVIATION) < 0.05) == (not low <= 0 <= high)
        assert low < value < high


def test_an_always_valid_interval_is_wider_than_that_of_one_look_but_not_twice() -> None:
    estimate = Estimate(0.0, 0.02**2, 1000, 998)
    assert estimate.ci95 is not None
    assert 1 < always_valid_interval(estimate, DEVIATION)[1] / estimate.ci95[1] < 2


def peeked_p_value(random: Random, *, listeners: int, plays_a_day: int, gain: float) -> tuple[float, bool]:
    """Runs an experiment of 28 days and looks each day.

    Returns the least p value, and whether a fixed-time test ever claimed a difference. Listeners come
    unequally often, half of them join along the way, and they differ in how well any model predicts them.
    """
    arm = random.permutation(np.arange(listeners) % 2)
    keenness = random.lognormal(0, 0.7, listeners)
    joined = random.integers(14, size=listeners) * (random.random(listeners) < 0.5)
    accuracy = random.normal(0.75, 0.1, listeners).clip(0.05, 0.9)
    clusters, right = np.empty(0, np.intp), np.empty(0)
    least, naive = 1.0, False
    for day in range(28):
        share = keenness * (joined <= day)
        today = random.choice(listeners, random.poisson(plays_a_day), p=share / share.sum())
        clusters = np.concatenate([clusters, today])
        right = np.concatenate([right, random.random(len(today)) < accuracy[today] + gain * arm[today]])
        second = arm[clusters] == 1
        seen = np.bincount(clusters, minlength=listeners) > 0
        if min(seen[arm == 0].sum(), seen[arm == 1].sum()) < MIN_CLUSTERS_PER_ARM:
            continue
        estimate = clustered.difference(right, second, clusters)
        least = min(least, always_valid_p_value(estimate, DEVIATION))
        naive = naive or (estimate.p_value or 1.0) < 0.05
    return least, naive


@pytest.mark.parametrize(("listeners", "plays_a_day", "times"), [(200, 100, 1000), (30, 50, 200)])
def test_daily_peeking_at_equal_arms_claims_a_winner_in_at_most_5_percent(
    random: Random, listeners: int, plays_a_day: int, times: int
) -> None:
    """The figure that the issue asks for; the fixed-time test, read as often, shows why it is needed."""
    runs = [
        peeked_p_value(random, listeners=listeners, plays_a_day=plays_a_day, gain=0) for _ in range(times)
    ]
    assert np.mean([least < 0.05 for least, _ in runs]) <= 0.05
    assert np.mean([naive for _, naive in runs]) > 0.1


def test_a_planted_difference_is_found(random: Random) -> None:
    runs = [peeked_p_value(random, listeners=400, plays_a_day=200, gain=0.1)[0] for _ in range(50)]
    assert np.mean([least < 0.05 for least in runs]) > 0.9


def test_the_sequential_ratio_test_rarely_blames_the_right_ratio_and_finds_others(random: Random) -> None:
    shares = np.array([0.5, 0.3, 0.2])
    drawn = [random.choice(3, 1000, p=shares) for _ in range(1000)]
    assert np.mean([sequential_ratio_p_value(arms, shares) < 0.05 for arms in drawn]) <= 0.05
    skewed = [random.choice(3, 1000, p=[0.6, 0.25, 0.15]) for _ in range(100)]
    assert np.mean([sequential_ratio_p_value(arms, shares) < 0.001 for arms in skewed]) > 0.9
    assert sequential_ratio_p_value(np.empty(0, np.intp), shares) == 1.0
