"""Who played how much on which day: what the moments of a whole experiment are made of."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from server.report.moments import Codes, Floats, Moments, daily_moments, sums


@dataclass(frozen=True, slots=True)
class ListenerDays:
    """One row for each arm, listener and day with plays, in that order of importance: listener, then day.

    Attributes:
        arms: Names in order.
        days: ISO 8601 in order, in UTC; those on which somebody played.
        arm: Code of each row's arm, (n_rows,).
        listener: Code of its listener; one who was put into two arms is two.
        day: Code of its day.
        plays: How many there are.
        row: The row of each play, (n_plays,).
    """

    arms: list[str]
    days: list[str]
    arm: Codes
    listener: Codes
    day: Codes
    plays: Floats
    row: Codes

    def moments(self, values: Floats) -> Moments:
        """Returns the moments of a value of each play, (n_arms, n_days), over all days until then.

        Args:
            values: (n_plays,).
        """
        totals = sums(self.row, values, len(self.plays))
        shape = (len(self.arms), len(self.days))
        return daily_moments(self.arm, self.listener, self.day, self.plays, totals, shape)


def listener_days(plays: pd.DataFrame) -> ListenerDays:
    """Returns who played how much on which day.

    Args:
        plays: With the columns `arm`, `cluster` and `requested_at`, from `frame.read_frame`.
    """
    arm, arms = pd.factorize(plays["arm"].astype(object), sort=True)
    day, days = pd.factorize(plays["requested_at"].dt.floor("D"), sort=True)
    cluster = pd.factorize(plays["cluster"])[0]
    listener = cluster.astype(np.int64) * len(arms) + arm
    found, row, n = np.unique(listener * len(days) + day, return_inverse=True, return_counts=True)
    whose = found // max(1, len(days))
    return ListenerDays(
        arms=[str(name) for name in arms],
        days=[f"{each:%Y-%m-%d}" for each in days],
        arm=whose % max(1, len(arms)),
        listener=whose,
        day=found % max(1, len(days)),
        plays=n.astype(np.float64),
        row=row,
    )
