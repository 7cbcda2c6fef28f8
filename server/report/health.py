"""Whether an experiment's figures may be believed at all."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from server.log.spool.status import SpoolCounts
from server.report.comparisons import arm_difference
from server.report.sample_ratio import sample_ratio_p_values

MISMATCH_P_VALUE = 0.001
"""Below it, arms do not get the traffic that they should. Source: Fabijan et al., KDD 2019, use 0.0005."""


@dataclass(frozen=True, slots=True)
class Health:
    """The health of one phase.

    Attributes:
        n: Predictions.
        n_outcomes: Of those, the ones with an outcome.
        outcome_join_rate: Their share; None without predictions.
        outcome_join_rate_by_arm: The same for each arm.
        join_rate_p_value: Of the arms having the same rate (the smallest of all pairs, times their number).
        n_assignments: Listeners, and predictions without one: what was assigned to an arm.
        sample_ratio_p_value: χ² test of the assigned arms against their probabilities; None with one arm.
        sample_ratio_p_value_sequential: The same, valid at every look.
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
    n_assignments: int
    sample_ratio_p_value: float | None
    sample_ratio_p_value_sequential: float | None
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
    fixed, sequential = sample_ratio_p_values(assigned)
    several = int((predictions.groupby("cluster")["arm"].nunique() > 1).sum())
    join_p_value = _join_rate_p_value(predictions, arms)
    health: dict[str, Any] = {
        "n": len(predictions),
        "n_outcomes": int(predictions["has_outcome"].sum()),
        "outcome_join_rate": float(predictions["has_outcome"].mean()) if len(predictions) else None,
        "outcome_join_rate_by_arm": {arm: float(rates[arm]) for arm in arms},
        "join_rate_p_value": join_p_value,
        "n_assignments": len(assigned),
        "sample_ratio_p_value": fixed,
        "sample_ratio_p_value_sequential": sequential,
        "n_listeners_in_several_arms": several,
        "n_waiting_in_spool": spooled.waiting,
        "n_outcomes_held": spooled.held_outcomes,
        "n_dead_letters": spooled.dead_letters,
        "n_dead_outcomes": spooled.dead_outcomes,
    }
    problems = []
    if sequential is not None and sequential < MISMATCH_P_VALUE:
        problems.append(f"the arms do not get the traffic that they should (sequential p = {sequential:.1g})")
    if several:
        problems.append(f"{several} listeners were put into several arms")
    if join_p_value is not None and join_p_value < MISMATCH_P_VALUE:
        problems.append(f"outcomes come back from some arms more often (p = {join_p_value:.1g})")
    if spooled.dead_letters:
        problems.append(f"{spooled.dead_letters} predictions were refused by MongoDB and are in no figure")
    return Health(**health, problems=tuple(problems))


def _join_rate_p_value(predictions: pd.DataFrame, arms: list[str]) -> float | None:
    """Tests whether some arms get their outcomes back more often than others."""
    p_values = [
        arm_difference(predictions[predictions["arm"].isin(pair)], pair[1], "has_outcome").p_value
        for pair in combinations(arms, 2)
    ]
    known = [p_value for p_value in p_values if p_value is not None]
    return min(1.0, min(known) * len(p_values)) if known else None
