"""What several comparisons cost: a metric that decides, and others that are explored."""

import math
from collections.abc import Sequence


def bonferroni(log_p_values: Sequence[float | None]) -> list[float | None]:
    """Returns the logarithms of p values times their number, at most 1; None is counted, and stays."""
    n = len(log_p_values)
    return [None if each is None else min(0.0, each + math.log(n)) for each in log_p_values]


def holm(log_p_values: Sequence[float | None]) -> list[float | None]:
    """Returns the logarithms of p values, adjusted so that 5 % of such sets have one below 0.05 by chance.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statistics 1979.

    Args:
        log_p_values: Natural logarithms; None, where there is none yet, is counted, and stays.
    """
    adjusted: list[float | None] = [None] * len(log_p_values)
    known = sorted((each, at) for at, each in enumerate(log_p_values) if each is not None)
    greatest = -math.inf
    for rank, (each, at) in enumerate(known):
        greatest = max(greatest, min(0.0, each + math.log(len(log_p_values) - rank)))
        adjusted[at] = greatest
    return adjusted
