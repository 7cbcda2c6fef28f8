"""Whether an experiment's figures may be believed at all."""

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from server.log.spool.status import SpoolCounts
from server.report import clustered, sequential
from server.report.listener_days import listener_days
from server.report.p_values import equation
from server.report.sample_ratio import sample_ratio_p_values

MISMATCH_P_VALUE = 0.001
"""Below it, arms do not get the traffic that they should. Source: Fabijan et al., KDD 2019, use 0.0005."""

_JOIN_EFFECT = 0.02  # the difference of shares that is worth finding


@dataclass(frozen=True, slots=True)
class Health:
    """The health of one phase.

    Attributes:
        n: Predictions.
        n_outcomes: Of those, the ones with an outcome.
        outcome_join_rate: Their share; None without predictions.
        outcome_join_rate_by_arm: The same for each arm.
        join_rate_p_value: Of the arms having the same rate (the smallest of all pairs, times their number),
            valid at every look; None while no pair has listeners enough.
        join_rate_log_p_value: Its natural logarithm, which does not underflow.
        n_assignments: Listeners, and predictions without one: what was assigned to an arm.
        sample_ratio_p_value: χ² test of the assigned arms against their probabilities; None with one arm.
        sample_ratio_p_value_sequential: The same, valid at every look.
        sample_ratio_log_p_value_sequential: Its natural logarithm.
        n_listeners_in_several_arms: Listeners that one phase put into more than one arm; should be 0.
        n_waiting_in_spool: Predictions that MongoDB does not have yet, in the spool of this machine.
        n_outcomes_held: Outcomes that wait for MongoDB there.
        n_dead_letters: Predictions of this phase that MongoDB refused for good there: they are in no figure.
        n_dead_outcomes: Outcomes there of any phase that came second, or whose prediction was never logged.
        problems: What is wrong, in sentences; empty when all is well.
    """

    n: int
    n_outcomes: int
    outcome_join_rate: float | None
    outcome_join_rate_by_arm: dict[str, float]
    join_rate_p_value: float | None
    join_rate_log_p_value: float | None
    n_assignments: int
    sample_ratio_p_value: float | None
    sample_ratio_p_value_sequential: float | None
    sample_ratio_log_p_value_sequential: float | None
    n_listeners_in_several_arms: int
    n_waiting_in_spool: int
    n_outcomes_held: int
    n_dead_letters: int
    n_dead_outcomes: int
    problems: tuple[str, ...]


def check(predictions: pd.DataFrame, spooled: SpoolCounts) -> Health:
    """Returns the health of one phase, of its predictions in order of time, from `frame.FrameColumns`."""
    assigned = predictions.drop_duplicates("cluster")
    arms = sorted(predictions["arm"].unique())
    rates = predictions.groupby("arm", observed=True)["has_outcome"].mean()
    fixed, ratio_log_p_value = sample_ratio_p_values(assigned)
    several = int((predictions.groupby("cluster")["arm"].nunique() > 1).sum())
    join_log_p_value = _join_rate_log_p_value(predictions)
    health: dict[str, Any] = {
        "n": len(predictions),
        "n_outcomes": int(predictions["has_outcome"].sum()),
        "outcome_join_rate": float(predictions["has_outcome"].mean()) if len(predictions) else None,
        "outcome_join_rate_by_arm": {arm: float(rates[arm]) for arm in arms},
        "join_rate_p_value": _exp(join_log_p_value),
        "join_rate_log_p_value": join_log_p_value,
        "n_assignments": len(assigned),
        "sample_ratio_p_value": fixed,
        "sample_ratio_p_value_sequential": _exp(ratio_log_p_value),
        "sample_ratio_log_p_value_sequential": ratio_log_p_value,
        "n_listeners_in_several_arms": several,
        "n_waiting_in_spool": spooled.waiting,
        "n_outcomes_held": spooled.held_outcomes,
        "n_dead_letters": spooled.dead_letters,
        "n_dead_outcomes": spooled.dead_outcomes,
    }
    problems = []
    limit = math.log(MISMATCH_P_VALUE)
    if ratio_log_p_value is not None and ratio_log_p_value < limit:
        told = equation(ratio_log_p_value)
        problems.append(f"the arms do not get the traffic that they should (sequential {told})")
    if several:
        problems.append(f"{several} listeners were put into several arms")
    if join_log_p_value is not None and join_log_p_value < limit:
        told = equation(join_log_p_value)
        problems.append(f"outcomes come back from some arms more often (sequential {told})")
    if spooled.dead_letters:
        problems.append(f"{spooled.dead_letters} predictions were refused by MongoDB and are in no figure")
    return Health(**health, problems=tuple(problems))


def _join_rate_log_p_value(predictions: pd.DataFrame) -> float | None:
    """Tests, at any number of looks, whether some arms get their outcomes back more often than others."""
    if not len(predictions):
        return None
    table = listener_days(predictions)
    moments = table.moments(predictions["has_outcome"].to_numpy(dtype=np.float64))
    pairs = list(combinations(range(len(table.arms)), 2))
    known = []
    for one, other in pairs:
        estimate = clustered.difference(moments[one, -1], moments[other, -1])
        if estimate.tells:
            known.append(float(sequential.always_valid_log_p_value(estimate, _JOIN_EFFECT)))
    return min(0.0, min(known) + math.log(len(pairs))) if known else None


def _exp(log_p_value: float | None) -> float | None:
    return None if log_p_value is None else math.exp(log_p_value)
