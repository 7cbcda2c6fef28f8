"""What was known about the listener before each play: the context that a client would have sent."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.before_play import known_plays
from models import ListenerContext, RecentPlay
from models.features.history import MAX_RECENT_PLAYS


def contexts_at(plays: pd.DataFrame, rows: NDArray[np.int64]) -> Iterator[ListenerContext]:
    """Yields the contexts of some of the plays.

    Args:
        plays: All plays, in time order: what happened before a play is known whatever its part.
        rows: Positions of the wanted ones.

    Yields:
        For each of them the listener's plays that had ended when it started, and its situation.
    """
    known = known_plays(plays)
    outcomes = plays[["track_id", "skipped"]].iloc[known.rows].itertuples(index=False)
    ended = [RecentPlay(track_id, bool(skipped)) for track_id, skipped in outcomes]
    situations = plays[["premium", "advertisement_before", "position"]].iloc[rows].itertuples(index=False)
    for row, (premium, advertisement, position) in zip(rows.tolist(), situations, strict=True):
        recent = tuple(ended[known.span(row, MAX_RECENT_PLAYS)])
        yield ListenerContext(bool(premium), recent, bool(advertisement), int(position))
