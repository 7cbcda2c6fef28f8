"""How often plays are skipped, by group, and how long they last."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

LONGEST_CURVE_S = 3600


@dataclass(frozen=True)
class SkipRate:
    """The share of a group's plays that were skipped.

    Attributes:
        group: What the plays have in common: a listener's id, an hour of the day, …
        rate: `skips` / `plays`.
        low: Lower end of the rate's 95 % Wilson interval; `high` the upper one.
    """

    group: int | str
    plays: int
    skips: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class GroupedSkipRate:
    """Skip rates of the groups of one grouping.

    Attributes:
        groups: The groups that have plays, in rising order of the group.
        chance_p_value: How likely so unequal groups are if all had one rate (chi-squared test); None when
            there are fewer than two groups or all plays ended alike.
    """

    groups: list[SkipRate]
    chance_p_value: float | None


@dataclass(frozen=True)
class Survival:
    """How long plays last; the three lists have one entry a second.

    Attributes:
        seconds: 0, 1, 2, …, up to where 1 play in 200 is left.
        still_listening: Share of all plays neither skipped nor at their track's end after so many seconds.
        not_skipped: Share that would not have been skipped by then if no track ended (Kaplan-Meier: a
            play that reaches its track's end leaves the count without having been skipped).
    """

    seconds: list[int]
    still_listening: list[float]
    not_skipped: list[float]


def wilson_interval(
    successes: NDArray[np.int64], trials: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the 95 % intervals of many proportions at once (SciPy's takes them one by one).

    Args:
        successes: (n,) counts.
        trials: (n,) counts, all above 0.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    z = float(stats.norm.ppf(0.975))
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    # At 0 and 1 rounding may put an end on the wrong side of the share itself.
    return np.clip(centre - half, 0.0, share), np.clip(centre + half, share, 1.0)


def skip_rates(skipped: "pd.Series[bool]", groups: "pd.Series[Any]") -> GroupedSkipRate:
    """Returns the skip rate of every group.

    Args:
        skipped: (n,) whether each play was skipped.
        groups: (n,) each play's group.
    """
    counted = skipped.groupby(groups, sort=True).agg(["size", "sum"])
    plays = counted["size"].to_numpy(dtype=np.int64)
    skips = counted["sum"].to_numpy(dtype=np.int64)
    low, high = wilson_interval(skips, plays)
    names = [name if isinstance(name, str) else int(name) for name in counted.index]
    rates = (skips / plays).tolist()
    rows = zip(names, plays.tolist(), skips.tolist(), rates, low.tolist(), high.tolist(), strict=True)
    return GroupedSkipRate([SkipRate(*row) for row in rows], _chance_p_value(plays, skips))


def survival(listened_s: NDArray[np.float64], skipped: NDArray[np.bool_]) -> Survival:
    """Returns how the plays thin out, second by second.

    Args:
        listened_s: (n,) seconds heard.
        skipped: (n,) whether a skip ended the play; the others ended with their track.

    Source: E. L. Kaplan and P. Meier, "Nonparametric estimation from incomplete observations", 1958.
    """
    known = np.isfinite(listened_s)
    listened_s, skipped = listened_s[known], skipped[known]
    if not len(listened_s):
        return Survival([], [], [])
    horizon_s = min(int(np.ceil(np.quantile(listened_s, 0.995))), LONGEST_CURVE_S)
    seconds = np.arange(horizon_s + 1)
    left = np.searchsorted(np.sort(listened_s), seconds, side="right")
    not_skipped = np.ones(len(seconds))
    if skipped.any():
        observed = stats.CensoredData(uncensored=listened_s[skipped], right=listened_s[~skipped])
        not_skipped = np.asarray(stats.ecdf(observed).sf.evaluate(seconds.astype(np.float64)))
    return Survival(seconds.tolist(), (1 - left / len(listened_s)).tolist(), not_skipped.tolist())


def _chance_p_value(plays: NDArray[np.int64], skips: NDArray[np.int64]) -> float | None:
    if len(plays) < 2 or skips.sum() in (0, plays.sum()):
        return None
    return float(stats.chi2_contingency(np.column_stack([skips, plays - skips])).pvalue)
