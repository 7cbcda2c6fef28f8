"""What was known of the listener before each recorded play: as arrays to train on, and as clients send it."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data import Catalogue
from data.before_play import known_plays
from models import ListenerContext, RecentPlay
from models.features.history import MAX_RECENT_PLAYS, Histories

_SITUATION = ["premium", "advertisement_before", "position"]


class RecordedContexts:
    """The contexts of all plays of a data set, a part of them at a time.

    Plays are named by their position among all plays, whatever part they belong to: what happened before a
    play is known to its client.
    """

    def __init__(self, plays: pd.DataFrame, catalogue: Catalogue) -> None:
        """Stores what the plays say.

        Args:
            plays: All plays, in time order, RangeIndex; the catalogue has all of their tracks.
            catalogue: Numbers the tracks.
        """
        self._known = known = known_plays(plays)
        self._situations = plays[_SITUATION].to_numpy(dtype=np.float64)
        # Of the known plays in their order, and one more at the end, which the padding's -1 refers to.
        tracks = plays["track_id"].map(catalogue.row_of).to_numpy(dtype=np.int64)
        self._track_of = np.append(tracks[known.rows], -1)
        self._played_through = np.append(~known.skipped, False).astype(np.float32)

    def histories(self, rows: NDArray[np.int64]) -> Histories:
        """Returns what the listeners had played before some plays, (n_plays,)."""
        recent = self._known.places(rows, MAX_RECENT_PLAYS)
        n_plays = (recent >= 0).sum(axis=1)
        return Histories(self._track_of[recent], self._played_through[recent], n_plays)

    def n_known(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns how many of the listener's plays were known before some plays, (n_plays,)."""
        return self._known.stop[rows] - self._known.first[rows]

    def situations(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns premium, advertisement before and position at some plays, (n_plays, 3)."""
        found: NDArray[np.float64] = self._situations[rows]
        return found


def contexts_at(plays: pd.DataFrame, rows: NDArray[np.int64]) -> Iterator[ListenerContext]:
    """Yields the listener's plays that had ended when a play started, and its situation, for some plays.

    Args:
        plays: All plays, in time order: what happened before a play is known whatever its part.
        rows: Positions of the wanted ones.
    """
    known = known_plays(plays)
    outcomes = zip(plays["track_id"].iloc[known.rows], known.skipped.tolist(), strict=True)
    ended = [RecentPlay(track_id, skipped) for track_id, skipped in outcomes]
    situations = plays[_SITUATION].iloc[rows].itertuples(index=False)
    for row, (premium, advertisement, position) in zip(rows.tolist(), situations, strict=True):
        recent = tuple(ended[known.span(row, MAX_RECENT_PLAYS)])
        yield ListenerContext(bool(premium), recent, bool(advertisement), int(position))
