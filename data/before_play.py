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
        first: For each play, where its listener begins in `rows`, (n_plays,).
        stop: For each play, where what was known at its start ends in `rows`, (n_plays,).
    """

    rows: Rows
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


def known_plays(plays: pd.DataFrame) -> KnownPlays:
    """Returns for each play which earlier plays of its listener had ended when it started, and how.

    What became of a play is known with its SKIP; of one that is not skipped, when the track is over or the
    next PLAY of its session begins, whichever is first. A session plays one track at a time, and its client
    knows what became of the last one when the next begins, even where the clocks say otherwise (tracks fade
    into each other, durations are rounded). A play that still runs in another session is not known. Times
    are compared in whole microseconds, as they are recorded: as fractions of a second, an end that is the
    next start to the digit would come out before or after it by chance.

    Args:
        plays: What `data.plays` returned, all of it: in time order, RangeIndex.

    Returns:
        What was known, by row of `plays`. A play never knows itself, nor a later row.
    """
    n_plays = len(plays)
    started_us = plays["started_at"].to_numpy().astype("datetime64[us]").astype(np.int64)
    next_start = plays.groupby("session_id", sort=False)["started_at"].shift(-1)
    next_us = next_start.to_numpy().astype("datetime64[us]").astype(np.int64)
    moves_on = (next_start.notna() & ~plays["skipped"]).to_numpy(dtype=bool)
    # An unknown length counts as none; one that no track has must not overflow the clock.
    heard_s = plays["listened_s"].fillna(0.0).clip(0.0, _LONGEST_PLAY_S).to_numpy()
    heard_us = np.rint(heard_s * 1e6).astype(np.int64)
    ended_us = started_us + heard_us
    ended_us = np.where(moves_on, np.minimum(ended_us, next_us), ended_us)

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
    return KnownPlays(rows, first.astype(np.int64), stop)
