"""The rule that the report finds a difference by; `benchmarks.peeking` shows what it holds."""

import numpy as np

from server.report import clustered, sequential
from server.report.clustered import Estimate
from server.report.moments import Floats, Moments

ALPHA = 0.05

EFFECTS = {"accuracy": 0.02, "brier": 0.01, "log_loss": 0.02}
"""The size of difference that is worth finding, by metric. The always-valid tests are tuned to find it."""


def judge(first: Moments, second: Moments, metric: str) -> tuple[Estimate, Floats]:
    """Judges the difference of two arms at every look: the rule that the report decides by.

    Args:
        first: Of each look, in any shape.
        second: The same of the other arm.
        metric: Its name.

    Returns:
        The differences, and the natural logarithms of their always-valid p values: NaN where it is too early.
    """
    estimate = clustered.difference(first, second)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_p_values = sequential.always_valid_log_p_value(estimate, EFFECTS[metric])
        finite = np.isfinite(sequential.always_valid_half_width(estimate, EFFECTS[metric]))
    return estimate, np.where(estimate.tells & finite, log_p_values, np.nan)
