"""How long to wait before trying again."""

import random


def backoff_s(failures: int, *, first_s: float, longest_s: float) -> float:
    """Returns how long to wait after so many failures in a row, in seconds.

    Twice as long each time; with jitter, so that those who failed together do not come back together.

    Args:
        failures: How many there were before this one.
        first_s: The longest first wait.
        longest_s: The longest of all.
    """
    longest = min(longest_s, first_s * 2.0 ** min(failures, 16))
    return longest * random.uniform(0.5, 1.0)
