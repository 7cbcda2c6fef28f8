"""What was known about the listener before each play: the context that a client would have sent."""

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models import ListenerContext, RecentPlay
from models.features.history import MAX_RECENT_PLAYS


@dataclass
class _Listener:
    """One listener's plays so far: those that have ended, and those that another session may still play."""

    ended: deque[RecentPlay] = field(default_factory=lambda: deque(maxlen=MAX_RECENT_PLAYS))
    unended: list[tuple[int, float, RecentPlay]] = field(default_factory=list)  # session, end, play

    def end_plays(self, session_id: int, now_s: float) -> None:
        """Moves the plays that have ended by now; a session plays one track at a time."""
        still = []
        for session, end_s, play in self.unended:
            if session == session_id or end_s <= now_s:
                self.ended.append(play)
            else:
                still.append((session, end_s, play))
        self.unended = still


def listener_contexts(plays: pd.DataFrame) -> Iterator[ListenerContext]:
    """Yields the context of each play, one at a time: at most 200 plays a listener are held.

    Args:
        plays: Plays in time order, of every part: what happened before a play is known whatever its part.

    Yields:
        For each play the listener's plays that had ended when it started, and its situation.
    """
    listeners: defaultdict[int, _Listener] = defaultdict(_Listener)
    started_s = plays["started_at"].to_numpy().astype("datetime64[us]").astype(np.int64) / 1e6
    listened_s = plays["listened_s"].fillna(0).to_numpy()
    columns = (
        plays[name]
        for name in (
            "listener_id",
            "session_id",
            "track_id",
            "skipped",
            "premium",
            "advertisement_before",
            "position",
        )
    )
    for (
        start_s,
        length_s,
        listener_id,
        session_id,
        track_id,
        skipped,
        premium,
        advertisement,
        position,
    ) in zip(started_s, listened_s, *columns, strict=True):
        listener = listeners[listener_id]
        listener.end_plays(session_id, start_s)
        yield ListenerContext(bool(premium), tuple(listener.ended), bool(advertisement), int(position))
        play = RecentPlay(track_id, bool(skipped))
        listener.unended.append((session_id, start_s + length_s, play))


def contexts_at(plays: pd.DataFrame, rows: NDArray[np.int64]) -> Iterator[ListenerContext]:
    """Yields the contexts of some of the plays, in time order.

    Args:
        plays: All plays, in time order.
        rows: Positions of the wanted ones, rising.
    """
    wanted = np.zeros(len(plays), dtype=bool)
    wanted[rows] = True
    return (context for want, context in zip(wanted, listener_contexts(plays), strict=True) if want)
