"""Whether one arm predicts better than another."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from server.report import clustered, sequential
from server.report.clustered import Estimate

Interval = tuple[float, float]

EFFECTS = {"accuracy": 0.02, "brier": 0.01, "log_loss": 0.02}
"""The size of difference that is worth finding, by metric: the power is the chance of finding it."""

MIXTURE_DEVIATIONS = {"accuracy": 0.05, "brier": 0.02, "log_loss": 0.05}
"""What the always-valid tests are tuned to, by metric. Fixed, so that no reader can choose after the fact."""

HIGHER_IS_BETTER = {"accuracy": True, "brier": False, "log_loss": False}
_ALPHA, _POWER = 0.05, 0.8


@dataclass(frozen=True, slots=True)
class Look:
    """What one would have seen at the end of a day.

    Attributes:
        day: The day (UTC), ISO 8601.
        n: Outcomes by then, of both arms.
        difference: By then.
        always_valid_ci95: By then.
        always_valid_p_value: The smallest so far: looking more often does not bring it back up.
    """

    day: str
    n: int
    difference: float
    always_valid_ci95: Interval
    always_valid_p_value: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A metric of the second arm minus that of the first.

    Attributes:
        first: An arm.
        second: Another arm.
        metric: "accuracy", "brier" or "log_loss".
        n: Outcomes of both.
        difference: The metric of the second minus that of the first.
        ci95: For one look, at a time chosen beforehand; None below two listeners.
        p_value: For one such look.
        always_valid_ci95: For any number of looks; None below ten listeners an arm, and while none of them
            differs from the others: there is nothing then to tell how far chance goes.
        always_valid_p_value: For any number of looks.
        better: The arm that the always-valid interval finds better, or None.
        effect: The size of difference that is worth finding.
        power: Probability that one look with these outcomes finds a difference of that size.
        minimum_detectable_difference: What one look finds with 80 % probability.
        n_outcomes_left: How many more outcomes give 80 % power for `effect`, if new listeners come in step.
        looks: Day by day.
    """

    first: str
    second: str
    metric: str
    n: int
    difference: float
    ci95: Interval | None
    p_value: float | None
    always_valid_ci95: Interval | None
    always_valid_p_value: float | None
    better: str | None
    effect: float
    power: float | None
    minimum_detectable_difference: float | None
    n_outcomes_left: int | None
    looks: tuple[Look, ...]


def compare(judged: pd.DataFrame) -> list[Comparison]:
    """Compares every two arms in every metric.

    Args:
        judged: The predictions with outcomes in order of time, from `arms.with_scores`.
    """
    pairs = list(combinations(sorted(judged["arm"].unique()), 2))
    return [_compare(judged, *pair, metric) for pair in pairs for metric in EFFECTS]


def _compare(judged: pd.DataFrame, first: str, second: str, metric: str) -> Comparison:
    pair = judged[judged["arm"].isin((first, second))]
    effect = EFFECTS[metric]
    estimate = arm_difference(pair, second, metric)
    looks = _looks(pair, second, metric)
    ready = _enough_listeners(pair) and estimate.variance > 0
    always = sequential.always_valid_interval(estimate, MIXTURE_DEVIATIONS[metric]) if ready else None
    power, detectable, left = _power(estimate, effect, len(pair))
    return Comparison(
        first=first,
        second=second,
        metric=metric,
        n=len(pair),
        difference=estimate.value,
        ci95=estimate.ci95,
        p_value=estimate.p_value,
        always_valid_ci95=always,
        always_valid_p_value=looks[-1].always_valid_p_value if ready and looks else None,
        better=_better(always, first, second, higher_is_better=HIGHER_IS_BETTER[metric]),
        effect=effect,
        power=power,
        minimum_detectable_difference=detectable,
        n_outcomes_left=left,
        looks=tuple(looks),
    )


def arm_difference(pair: pd.DataFrame, second: str, column: str) -> Estimate:
    """Returns a column's mean in the second of two arms minus that in the first."""
    return clustered.difference(
        pair[column].to_numpy(dtype=np.float64),
        (pair["arm"] == second).to_numpy(),
        pd.factorize(pair["cluster"])[0],
    )


def _enough_listeners(pair: pd.DataFrame) -> bool:
    listeners = pair.groupby("arm", observed=True)["cluster"].nunique()
    return len(listeners) == 2 and bool((listeners >= sequential.MIN_CLUSTERS_PER_ARM).all())


def _looks(pair: pd.DataFrame, second: str, metric: str) -> list[Look]:
    """Looks at the end of each day, as a daily reader of the report did."""
    days = pair["requested_at"].to_numpy(dtype="datetime64[D]")
    looks: list[Look] = []
    least = 1.0
    for day in np.unique(days):
        so_far = pair.iloc[: np.searchsorted(days, day, side="right")]  # no copy: they are in order of time
        if not _enough_listeners(so_far):
            continue
        estimate = arm_difference(so_far, second, metric)
        if not estimate.variance > 0:
            continue
        least = min(least, sequential.always_valid_p_value(estimate, MIXTURE_DEVIATIONS[metric]))
        interval = sequential.always_valid_interval(estimate, MIXTURE_DEVIATIONS[metric])
        looks.append(Look(str(day), len(so_far), estimate.value, interval, least))
    return looks


def _better(always: Interval | None, first: str, second: str, *, higher_is_better: bool) -> str | None:
    if always is None or always[0] <= 0 <= always[1]:
        return None
    return second if (always[0] > 0) == higher_is_better else first


def _power(estimate: Estimate, effect: float, n: int) -> tuple[float | None, float | None, int | None]:
    """Returns the power for an effect, the detectable difference, and the outcomes left, of a z test."""
    from statsmodels.stats.power import normal_power  # takes a second

    if not estimate.variance > 0:
        return None, None, None
    power = float(normal_power(effect / estimate.standard_error, nobs=1, alpha=_ALPHA))
    needed = float(stats.norm.ppf(1 - _ALPHA / 2) + stats.norm.ppf(_POWER))
    detectable = needed * estimate.standard_error
    left = max(0.0, n * (detectable / effect) ** 2 - n)
    return power, detectable, round(left)
