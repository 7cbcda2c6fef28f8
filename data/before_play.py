"""What was known of a listener before each play: the one rule, for training, simulation and replay alike."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Rows = NDArray[np.int64]

_LONGEST_PLAY_S = 1e9  # some thirty years


@dataclass(frozen=True, eq=False)
class KnownPlays:
    """The plays of each listener in the order in which they ended, and how far that had come at each play.

    Attributes:
        rows: Rows of the plays, listener by listener, (n_plays,).
        skipped: Whether a play of `rows` was known as skipped, (n_plays,): the outcome as it is told to a
            later play. Unlike the table's `skipped` it is false where the SKIP came after the end.
        first: For each play, where its listener begins in `rows`, (n_plays,).
        stop: For each play, where what was known at its start ends in `rows`, (n_plays,).
    """

    rows: Rows
    skipped: NDArray[np.bool_]
    first: Rows
    stop: Rows

    def span(self, row: int, at_most: int) -> slice:
        """Returns where a play's known plays stand in `rows`, newest last, the older ones cut off.

        Args:
            row: The play.
            at_most: How many to return at most.
        """
        stop = int(self.stop[row])
        return slice(max(int(self.first[row]), stop - at_most), stop)

    def places(self, rows: Rows, at_most: int) -> Rows:
        """Returns where the known plays of several plays stand in `rows`, a row each, newest last.

        Args:
            rows: The plays, (n,).
            at_most: How many known plays to return of each at most, the latest ones.

        Returns:
            Padded with -1 at the front, (n, the most that are known of any, but no more than `at_most`).
        """
        n_known = np.minimum(self.stop[rows] - self.first[rows], at_most)
        age = np.arange(int(n_known.max(initial=0)), 0, -1)  # 1 is the newest
        return np.where(age > n_known[:, None], -1, self.stop[rows][:, None] - age)


def known_plays(plays: pd.DataFrame) -> KnownPlays:
    """Returns for each play which earlier plays of its listener had ended when it started, and how.

    A play ends with its SKIP, when the track is over or when the next PLAY of its session begins, whichever
    is first; then it is known, as skipped or as heard out. A session plays one track at a time, and its
    client knows what became of the last one when the next begins, even where the clocks say otherwise
    (tracks fade into each other, durations are rounded). A SKIP after that changes nothing: waiting for it
    would tell the plays in between what comes. A play that still runs in another session is not known. Times
    are compared in whole microseconds, as they are recorded: as fractions of a second, an end that is the
    next start to the digit would come out before or after it by chance.

    Args:
        plays: What `data.plays` returned, all of it: in time order, RangeIndex.

    Returns:
        What was known, by row of `plays`. A play never knows itself, nor a later row, and nothing that
        happens after its start changes what it knows.
    """
    n_plays = len(plays)
    started_us = _whole_us(plays["started_at"])
    next_start = plays.groupby("session_id", sort=False)["started_at"].shift(-1)
    over_us = started_us + _length_us(plays["duration_s"])
    over_us = np.where(next_start.notna(), np.minimum(over_us, _whole_us(next_start)), over_us)
    skip_us = started_us + _length_us(plays["listened_s"])
    skipped = plays["skipped"].to_numpy(dtype=bool) & (skip_us <= over_us)
    ended_us = np.where(skipped, skip_us, over_us)

    # Starts and ends of each listener on one time line; at one moment a play's end follows its own start and
    # precedes the start of the next row.
    listener = np.tile(pd.factorize(plays["listener_id"])[0], 2)
    row = np.tile(np.arange(n_plays), 2)
    is_end = np.repeat([False, True], n_plays)
    order = np.lexsort((2 * row + is_end, np.concatenate((started_us, ended_us)), listener))
    is_end, row = is_end[order], row[order]
    n_ended = np.cumsum(is_end)
    stop = np.empty(n_plays, dtype=np.int64)
    stop[row[~is_end]] = n_ended[~is_end]
    rows = row[is_end]
    ended_by = listener[order][is_end]
    first = np.searchsorted(ended_by, listener[:n_plays])
    return KnownPlays(rows, skipped[rows], first.astype(np.int64), stop)


def _whole_us(times: "pd.Series[pd.Timestamp]") -> Rows:
    whole: Rows = times.to_numpy().astype("datetime64[us]").astype(np.int64)
    return whole


def _length_us(seconds: "pd.Series[float]") -> Rows:
    """Returns lengths; one that is unknown, or that no track has, must not overflow the clock."""
    bounded = seconds.fillna(_LONGEST_PLAY_S).clip(0.0, _LONGEST_PLAY_S).to_numpy(dtype=np.float64)
    whole: Rows = np.rint(bounded * 1e6).astype(np.int64)
    return whole
