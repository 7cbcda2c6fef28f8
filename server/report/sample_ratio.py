"""Whether arms were assigned with the probabilities that they should have (sample ratio mismatch, SRM)."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.special import gammaln


def sample_ratio_p_values(assigned: pd.DataFrame) -> tuple[float | None, float | None]:
    """Returns the p value of one look (χ²) and the logarithm of that of any number of looks.

    Args:
        assigned: What was assigned to an arm in order of time, each listener once.

    Returns:
        Both, the logarithm natural; None where there is one arm.
    """
    expected = assigned.groupby("arm", observed=True)["arm_probability"].first()
    expected.index = expected.index.astype(str)
    expected = expected.sort_index()
    missing = 1 - expected.sum()
    if missing > 1e-6:  # an arm that nobody got
        expected["\uffff"] = missing
    if len(expected) < 2:
        return None, None
    codes = expected.index.get_indexer(pd.Index(assigned["arm"].astype(str)))
    probabilities = (expected / expected.sum()).to_numpy(dtype=np.float64)
    counts = np.bincount(codes, minlength=len(expected))
    fixed = stats.chisquare(counts, probabilities * len(assigned)).pvalue
    return float(fixed), sequential_ratio_log_p_value(codes, probabilities)


def sequential_ratio_log_p_value(arms: NDArray[np.intp], probabilities: NDArray[np.float64]) -> float:
    """Tests, after every assignment, whether arms are drawn with the probabilities that they should have.

    The likelihood ratio of "probabilities drawn uniformly from all there are" to the given ones is a ratio of
    gamma functions of the counts; the p value is 1 over the greatest it ever was, returned as its natural
    logarithm.
    Source: Lindon and Malek, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS 2022.

    Args:
        arms: The arm of each assignment in order of time, (n,).
        probabilities: What each arm's probability should be, (n_arms,).
    """
    if not len(arms):
        return 0.0
    n_arms, n = len(probabilities), np.arange(1, len(arms) + 1)
    log_ratio = gammaln(n_arms) - gammaln(n_arms + n)
    # One arm at a time: all of a hundred would fill the memory.
    for arm, probability in enumerate(probabilities):
        counts = np.cumsum(arms == arm)
        log_ratio += gammaln(1 + counts) - counts * np.log(probability)
    return float(min(0.0, -log_ratio.max()))
