"""The goals of rationed caching."""

from typing import Any

import pytest

from benchmarks.rationed import goals
from cache_client.prefetch.plan import Objective
from cache_client.rationed import RationedReport
from cache_client.rationed.figures import Estimate, Gain


def report(less: Estimate, share: float) -> RationedReport:
    found = Gain(less, Estimate(0.0, 0.0, 0.0), Estimate(share, 0.0, 1.0))
    gains: Any = {budget: {it: {"advisor": found} for it in Objective} for budget in (0.25, 0.5)}
    return RationedReport(1, 1, {}, gains)


@pytest.mark.parametrize(
    ("less", "share", "met"),
    [
        (Estimate(0.2, 0.01, 0.4), 0.65, [True, True, True]),
        (Estimate(0.3, -0.01, 0.4), 0.64, [True, False, False]),
        (Estimate(0.19, 0.1, 0.4), 0.7, [False, False, True]),
    ],
)
def test_a_goal_is_met_by_its_value_and_at_half_the_bytes_clear_of_zero(
    less: Estimate, share: float, met: list[bool]
) -> None:
    found = list(goals({"known": report(less, share)}))
    assert [it[2] for it in found] == met
    assert all(promise.startswith("known: ") for promise, _, _ in found)
