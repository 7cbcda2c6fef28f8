"""The report's own formulas against libraries, and against what they promise, by simulation."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import roc_auc_score

from benchmarks.peeks.rivals import welch_claims
from benchmarks.peeks.worlds import DAYS, World, simulate
from server.report import clustered
from server.report.clustered import Estimate
from server.report.moments import Moments, daily_moments, moments
from server.report.multiplicity import bonferroni, holm
from server.report.p_values import equation
from server.report.rule import judge
from server.report.sample_ratio import sequential_ratio_log_p_value
from server.report.sequential import always_valid_half_width, always_valid_log_p_value, needed_ratio

Random = np.random.Generator
EFFECT = 0.02


@pytest.fixture
def random() -> Random:
    return np.random.default_rng(20300101)


def estimate_of(value: float, *, standard_error: float = 0.02, freedom: float = 998) -> Estimate:
    figures = (value, standard_error**2, freedom, 0.0, freedom + 2)
    known = dict(
        zip(("value", "variance", "degrees_of_freedom", "skewness", "listeners"), figures, strict=True)
    )
    return Estimate(**{name: np.asarray(each) for name, each in known.items()}, varied=np.asarray(True))


def arm_of(right: list[float], plays: int = 1) -> Moments:
    """Returns an arm whose listeners make as many plays each, with these totals."""
    return moments(np.full(len(right), float(plays)), np.array(right))


def test_a_mean_and_its_variance_are_those_of_statsmodels(random: Random) -> None:
    from statsmodels.regression.linear_model import OLS

    clusters = np.repeat(np.arange(25), 16)
    values = random.normal(size=25)[clusters] + random.normal(size=400)
    estimate = clustered.mean(values, clusters)
    fitted = OLS(values, np.ones((400, 1))).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    assert estimate.value == pytest.approx(fitted.params[0])
    assert estimate.variance == pytest.approx(fitted.bse[0] ** 2)
    assert estimate.listeners == pytest.approx(25)


def test_the_variance_is_right_on_average_where_few_listeners_make_most_of_the_plays(random: Random) -> None:
    """Without its correction it would be a third too small, with G/(G-1) still a quarter."""
    plays = np.array([40.0] * 2 + [3.0] * 20)
    told = []
    for _ in range(4000):
        estimate = clustered.arm_mean(moments(plays, plays * random.normal(size=len(plays))))
        told.append((float(estimate.value), float(estimate.variance)))
    means, variances = np.array(told).T
    assert variances.mean() == pytest.approx(means.var(), rel=0.1)


def test_a_difference_and_its_p_value_are_those_of_welch(random: Random) -> None:
    """Where no arm's variance is below the common one."""
    first, second = random.normal(0, 1, 40), random.normal(0, 1, 25)
    second = first.mean() + 0.1 + (second - second.mean()) * first.std(ddof=1) / second.std(ddof=1)
    estimate = clustered.difference(*(moments(np.ones(len(x)), x) for x in (first, second)))
    expected = stats.ttest_ind(second, first, equal_var=False)
    assert estimate.value == pytest.approx(expected.statistic * math.sqrt(estimate.variance))
    assert estimate.degrees_of_freedom == pytest.approx(expected.df)
    assert math.exp(estimate.log_p_value) == pytest.approx(expected.pvalue)
    assert estimate.ci95 == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_intervals_agree_with_students_t(random: Random) -> None:
    values = random.normal(0.3, 1, size=40)
    estimate = clustered.mean(values, np.arange(40))
    expected = stats.ttest_1samp(values, 0)
    assert estimate.ci95 == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert math.exp(estimate.log_p_value) == pytest.approx(expected.pvalue)


def test_overwhelming_evidence_keeps_its_order_where_p_values_underflow() -> None:
    logs = [float(estimate_of(value, freedom=1e5).log_p_value) for value in (0.5, 0.9, 1.0, 1.2)]
    assert logs == sorted(logs, reverse=True)
    assert logs[0] == pytest.approx(stats.norm.logsf(25) + math.log(2), rel=0.01)
    assert math.exp(logs[-1]) == 0.0
    assert logs[-1] == pytest.approx(stats.norm.logsf(60) + math.log(2), rel=0.02)
    assert equation(logs[-1]) == f"p < 1e{math.floor(logs[-1] / math.log(10)) + 1}"
    assert equation(math.log(0.00023)) == "p = 0.0002"


def test_ten_right_of_ten_have_the_variance_that_others_show() -> None:
    """An arm's own variance of nothing would make any difference certain."""
    canary, control = arm_of([1.0] * 10), arm_of([1.0] * 240 + [0.0] * 60)
    assert clustered.arm_mean(canary).variance == 0
    assert clustered.arm_mean(canary).ci95 is None
    estimate = clustered.difference(control, canary)
    both = 250 / 310
    assert estimate.variance == pytest.approx(both * (1 - both) / 10, rel=0.05)
    assert not estimate.tells


@pytest.mark.parametrize(
    ("canary", "control", "tells"),
    [
        (arm_of([1.0, 0.0] * 9), arm_of([1.0, 0.0] * 200), False),
        (arm_of([1.0, 0.0] * 10), arm_of([1.0, 0.0] * 200), True),
        (arm_of([1.0] * 97 + [0.0] * 3), arm_of([1.0] * 9700 + [0.0] * 300), False),
        (arm_of([1.0] * 291 + [0.0] * 9), arm_of([1.0] * 9700 + [0.0] * 300), True),
        (arm_of([1.0] * 97 + [0.0] * 3), arm_of([1.0] * 97 + [0.0] * 3), True),
        (arm_of([1.0] * 100), arm_of([1.0] * 100), False),
        (arm_of([0.0] * 30), arm_of([1.0] * 900 + [0.0] * 200), True),
        (arm_of([1.0] * 300), arm_of([0.0] * 300), True),
        (arm_of([5.0, 2.0] * 15, 6) + arm_of([400.0], 600), arm_of([5.0, 2.0] * 100, 6), False),
    ],
    ids=[
        "few",
        "enough",
        "rare misses",
        "misses enough",
        "equal arms",
        "no variation",
        "all wrong",
        "opposites",
        "one plays most",
    ],
)
def test_what_is_too_early_to_tell(canary: Moments, control: Moments, tells: bool) -> None:
    assert bool(clustered.difference(control, canary).tells) is tells


def test_one_listener_tells_no_uncertainty() -> None:
    estimate = clustered.mean(np.array([0.0, 1.0]), np.array([0, 0]))
    assert estimate.value == 0.5
    assert estimate.ci95 is None


def test_the_area_under_the_curve_is_that_of_scikit_learn(random: Random) -> None:
    positive = random.random(300) < 0.6
    scores = np.round(random.normal(size=300) + positive, 1)  # with ties
    estimate = clustered.roc_auc(positive, scores, random.integers(20, size=300))
    assert estimate is not None
    assert estimate.value == pytest.approx(roc_auc_score(positive, scores))
    assert clustered.roc_auc(np.ones(3, bool), np.arange(3.0), np.arange(3)) is None


def test_the_interval_of_the_area_covers_the_truth_although_listeners_repeat(random: Random) -> None:
    """At 40 listeners with 10 plays each; an interval that ignored them would cover far less than 95 %."""
    covered = []
    for _ in range(400):
        clusters = np.repeat(np.arange(40), 10)
        positive = np.repeat(random.random(40) < 0.5, 10)  # a listener's plays all end alike: the worst case
        scores = positive + np.repeat(random.normal(size=40), 10) + 0.3 * random.normal(size=400)
        estimate = clustered.roc_auc(positive, scores, clusters)
        assert estimate is not None
        if estimate.ci95 is not None:
            low, high = estimate.ci95
            covered.append(low <= stats.norm.cdf(1 / math.sqrt(2 * (1 + 0.3**2))) <= high)
    assert len(covered) > 200
    assert 0.90 <= np.mean(covered) <= 0.99


def test_moments_by_day_are_those_of_all_plays_until_then(random: Random) -> None:
    n, days = 300, 5
    listener, day = random.integers(12, size=n), random.integers(days, size=n)
    right = random.random(n)
    place = np.unique(listener * days + day)
    rows = [(listener * days + day) == each for each in place]
    plays, totals = (np.array([x[row].sum() for row in rows]) for x in (np.ones(n), right))
    found = daily_moments(place // days % 2, place // days, place % days, plays, totals, (2, days))
    for arm in (0, 1):
        for until in range(days):
            chosen = (listener % 2 == arm) & (day <= until)
            whose = np.unique(listener[chosen])
            expected = moments(
                np.array([(chosen & (listener == each)).sum() for each in whose], dtype=np.float64),
                np.array([right[chosen & (listener == each)].sum() for each in whose]),
            )
            for name in ("listeners", "n", "s", "ns", "ss", "nnn", "nss", "sss"):
                assert getattr(found[arm, until], name) == pytest.approx(getattr(expected, name))


@pytest.mark.parametrize("freedom", [20, 998])
def test_the_always_valid_interval_and_p_value_are_one_test(freedom: float) -> None:
    for value in (0.0, 0.05, 0.06, 0.065, 0.07, 0.075, 0.08, 0.085, 0.2):
        estimate = estimate_of(value, freedom=freedom)
        half = always_valid_half_width(estimate, EFFECT)
        assert (always_valid_log_p_value(estimate, EFFECT) < math.log(0.05)) == (value > half)


def test_an_always_valid_interval_is_wider_than_that_of_one_look_but_not_thrice() -> None:
    estimate = estimate_of(0.0)
    assert 1 < always_valid_half_width(estimate, EFFECT) / estimate.half_width95 < 3
    estimate = estimate_of(0.0, standard_error=0.006)
    assert 1 < always_valid_half_width(estimate, EFFECT) / estimate.half_width95 < 2


def test_the_needed_ratio_has_the_power_that_it_is_for(random: Random) -> None:
    ratio = needed_ratio(0.05, 0.8)
    looks = random.normal(EFFECT, EFFECT / ratio, 4000)
    found = [
        always_valid_log_p_value(estimate_of(look, standard_error=EFFECT / ratio, freedom=1e6), EFFECT)
        < math.log(0.05)
        for look in looks
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)


def peeked(random: Random, world: World, runs: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Returns each run's least of 28 daily p values, and whether Welch's test, read daily, claims something.

    A run in which it was too early on all days has NaN.
    """
    least, naive = [], []
    for _ in range(runs):
        groups = simulate(world, random)
        arms = groups[1, :], groups[0, :]
        log_p_values = judge(*arms, world.metric)[1]
        assert log_p_values.shape == (DAYS,)
        told = log_p_values[~np.isnan(log_p_values)]
        least.append(math.exp(told.min()) if len(told) else math.nan)
        naive.append(welch_claims(*arms).any())
    return np.array(least), np.array(naive)


@pytest.mark.parametrize(("listeners", "split"), [(400, 0.5), (1000, 0.1), (2500, 0.02)])
def test_daily_peeking_at_equal_arms_claims_a_winner_in_at_most_5_percent(
    random: Random, listeners: int, split: float
) -> None:
    """The fixed-time test, read as often, shows why it is needed. `benchmarks.peeking` has the whole grid."""
    world = World("equal", 0.9, 5, listeners, alike=0.2, splits=(split,))
    least, naive = peeked(random, world, 200)
    assert np.isfinite(least).mean() > 0.5
    assert np.mean(least < 0.05) <= 0.05
    assert np.mean(naive) > 0.15


def test_a_planted_difference_is_found(random: Random) -> None:
    world = World("gain", 0.7, 10, 400, alike=0.1, gain=0.1, splits=(0.5,))
    least, _ = peeked(random, world, 50)
    assert np.mean(least < 0.05) > 0.9


def test_several_comparisons_are_adjusted_for() -> None:
    logs = [math.log(0.01), None, math.log(0.04), math.log(0.9)]
    bonferroni_p = [None if each is None else math.exp(each) for each in bonferroni(logs)]
    assert bonferroni_p == [pytest.approx(0.04), None, pytest.approx(0.16), 1.0]
    holm_p = [None if each is None else math.exp(each) for each in holm(logs)]
    assert holm_p == [pytest.approx(0.04), None, pytest.approx(0.12), 1.0]
    assert holm([-3000.0, -2000.0])[0] == pytest.approx(-3000 + math.log(2))


def test_the_sequential_ratio_test_rarely_blames_the_right_ratio_and_finds_others(random: Random) -> None:
    shares = np.array([0.5, 0.3, 0.2])
    drawn = [random.choice(3, 1000, p=shares) for _ in range(1000)]
    assert np.mean([sequential_ratio_log_p_value(arms, shares) < math.log(0.05) for arms in drawn]) <= 0.05
    skewed = [random.choice(3, 1000, p=[0.6, 0.25, 0.15]) for _ in range(100)]
    assert np.mean([sequential_ratio_log_p_value(arms, shares) < math.log(0.001) for arms in skewed]) > 0.9
    assert sequential_ratio_log_p_value(np.empty(0, np.intp), shares) == 0.0
