"""Whether one arm predicts better than another."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.special import ndtri

from server.report import clustered, sequential
from server.report.clustered import Estimate
from server.report.listener_days import listener_days
from server.report.moments import Floats, Moments
from server.report.multiplicity import bonferroni, holm
from server.report.rule import ALPHA, EFFECTS, judge

Interval = tuple[float, float]

HIGHER_IS_BETTER = {"accuracy": True, "brier": False, "log_loss": False}
_POWER = 0.8
_LARGEST = {"accuracy": 1.0, "brier": 1.0, "log_loss": math.inf}


@dataclass(frozen=True, slots=True)
class Look:
    """What one would have seen at the end of a day, of the days on which it was not too early.

    Attributes:
        day: The day (UTC), ISO 8601.
        n: Outcomes by then, of both arms.
        difference: By then.
        always_valid_ci95: By then.
        always_valid_p_value: The smallest so far: looking more often does not bring it back up.
        always_valid_log_p_value: Its natural logarithm, which does not underflow.
    """

    day: str
    n: int
    difference: float
    always_valid_ci95: Interval
    always_valid_p_value: float
    always_valid_log_p_value: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A metric of the second arm minus that of the first. While it is too early there is no more than that.

    Attributes:
        first: An arm.
        second: Another arm.
        metric: "accuracy", "brier" or "log_loss".
        role: Whether the verdict goes by it, or it is one to explore, which names no winner.
        n_in_role: How many comparisons have this role: what the adjusted p value makes up for.
        n: Outcomes of both.
        difference: The metric of the second minus that of the first.
        too_early: Why nothing can be said yet; None when something can.
        ci95: For one look, at a time chosen beforehand.
        p_value: For one such look. A p value may be 0 where its logarithm, always a natural one, is not.
        log_p_value: Its logarithm.
        always_valid_ci95: For any number of looks.
        always_valid_p_value: For any number of looks.
        always_valid_log_p_value: Its logarithm.
        adjusted_p_value: The same, for all comparisons of this role: by Bonferroni's rule where they decide,
            by Holm's where they are explored.
        adjusted_log_p_value: Its logarithm.
        better: The arm that is better at 5 % by the adjusted p value and the always-valid interval, or None.
        effect: The size of difference that is worth finding.
        power: Probability that one planned look with these outcomes finds a difference of that size.
        minimum_detectable_difference: What one planned look finds with 80 % probability.
        n_outcomes_left: How many more outcomes let the always-valid test find `effect` with 80 % probability
            when they are in, if new listeners come in step.
        looks: Day by day.
    """

    first: str
    second: str
    metric: str
    role: Literal["decides", "exploration"]
    n_in_role: int
    n: int
    difference: float
    too_early: str | None
    effect: float
    ci95: Interval | None = None
    p_value: float | None = None
    log_p_value: float | None = None
    always_valid_ci95: Interval | None = None
    always_valid_p_value: float | None = None
    always_valid_log_p_value: float | None = None
    adjusted_p_value: float | None = None
    adjusted_log_p_value: float | None = None
    better: str | None = None
    power: float | None = None
    minimum_detectable_difference: float | None = None
    n_outcomes_left: int | None = None
    looks: tuple[Look, ...] = ()


def compare(judged: pd.DataFrame, metric: str = "accuracy") -> list[Comparison]:
    """Compares every two arms in every metric.

    Args:
        judged: The predictions with outcomes, from `arms.with_scores`.
        metric: The one that decides; the others are exploration.
    """
    if not len(judged):
        return []
    table = listener_days(judged)
    moments = {name: table.moments(judged[name].to_numpy(dtype=np.float64)) for name in EFFECTS}
    pairs = list(combinations(range(len(table.arms)), 2))
    found = []
    for one, other in pairs:
        for name in EFFECTS:
            decides = name == metric
            blank = Comparison(
                first=table.arms[one],
                second=table.arms[other],
                metric=name,
                role="decides" if decides else "exploration",
                n_in_role=len(pairs) if decides else len(pairs) * (len(EFFECTS) - 1),
                n=0,
                difference=0.0,
                too_early=None,
                effect=EFFECTS[name],
            )
            found.append(_compare(blank, table.days, moments[name][one, :], moments[name][other, :]))
    return list(_adjusted(found))


def _compare(blank: Comparison, days: list[str], first: Moments, second: Moments) -> Comparison:
    estimate, log_p_values = judge(first, second, blank.metric)
    n = (first.n + second.n).astype(int)
    now = estimate[-1]
    known = replace(blank, n=int(n[-1]), difference=float(now.value))
    if math.isnan(log_p_values[-1]):
        smaller = (
            blank.first if first.effective_listeners[-1] < second.effective_listeners[-1] else blank.second
        )
        return replace(known, too_early=_why_too_early(now, smaller))
    looks = tuple(_looks(blank, days, n, estimate, log_p_values))
    log_p_value, last = float(now.log_p_value), looks[-1]
    return replace(
        known,
        ci95=_interval(float(now.value), float(now.half_width95), blank.metric),
        p_value=math.exp(log_p_value),
        log_p_value=log_p_value,
        always_valid_ci95=last.always_valid_ci95,
        always_valid_p_value=last.always_valid_p_value,
        always_valid_log_p_value=last.always_valid_log_p_value,
        looks=looks,
        **_power(math.sqrt(now.variance), known),
    )


def _why_too_early(estimate: Estimate, smaller: str) -> str:
    if not estimate.varied:
        return "no listener differs from the others of both arms"
    if not estimate.listeners >= clustered.MIN_LISTENERS:
        n, needed = math.floor(estimate.listeners), clustered.MIN_LISTENERS
        return f"{smaller} has {n} effective listeners with outcomes, and {needed} are needed"
    if not abs(estimate.skewness) <= clustered.MAX_SKEWNESS:
        return f"the plays of {smaller} are too few for how rare the rarer ones are"
    return f"the listeners of {smaller} are too few for how much they differ"


def _looks(
    blank: Comparison, days: list[str], n: Floats, estimate: Estimate, log_p_values: Floats
) -> Iterator[Look]:
    """Looks at the end of each day, as a daily reader of the report did; days too early do not count."""
    counts = np.flatnonzero(~np.isnan(log_p_values))
    halves = sequential.always_valid_half_width(estimate[counts], blank.effect)
    least = 0.0
    for at, half_width in zip(counts, halves, strict=True):
        least = min(least, float(log_p_values[at]))
        value = float(estimate.value[at])
        interval = _interval(value, float(half_width), blank.metric)
        yield Look(days[at], int(n[at]), value, interval, math.exp(least), least)


def _interval(value: float, half_width: float, metric: str) -> Interval:
    return max(-_LARGEST[metric], value - half_width), min(_LARGEST[metric], value + half_width)


def _power(standard_error: float, known: Comparison) -> dict[str, Any]:
    """Returns the power of a planned look, what it detects, and what the always-valid test still needs."""
    from statsmodels.stats.power import normal_power  # takes a second

    alpha = ALPHA / known.n_in_role if known.role == "decides" else ALPHA
    ratio = known.effect / standard_error
    needed = sequential.needed_ratio(alpha, _POWER)
    return {
        "power": float(normal_power(ratio, nobs=1, alpha=ALPHA)),
        "minimum_detectable_difference": float(ndtri(1 - ALPHA / 2) + ndtri(_POWER)) * standard_error,
        "n_outcomes_left": round(max(0.0, known.n * (needed / ratio) ** 2 - known.n)),
    }


def _adjusted(comparisons: list[Comparison]) -> Iterator[Comparison]:
    """Yields the comparisons with p values adjusted for their number, and with the better arm."""
    by_role = {
        role: iter(rule([c.always_valid_log_p_value for c in comparisons if c.role == role]))
        for role, rule in (("decides", bonferroni), ("exploration", holm))
    }
    for each in comparisons:
        log_p_value = next(by_role[each.role])
        if log_p_value is None:
            yield each
            continue
        better = _better(each) if log_p_value < math.log(ALPHA) else None
        yield replace(
            each, adjusted_p_value=math.exp(log_p_value), adjusted_log_p_value=log_p_value, better=better
        )


def _better(comparison: Comparison) -> str | None:
    low, high = comparison.always_valid_ci95 or (0.0, 0.0)
    if low <= 0 <= high:
        return None
    return comparison.second if (low > 0) == HIGHER_IS_BETTER[comparison.metric] else comparison.first
