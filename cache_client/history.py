"""What is known of a listener's past at a moment: only plays whose outcome had happened by then."""

from bisect import bisect_right
from collections import defaultdict
from datetime import datetime

import pandas as pd

from cache_client.rpc.messages import RecentPlay

MAX_RECENT_PLAYS = 200
"""How many recent plays the contract takes."""


class ListenerHistory:
    """Recorded plays by listener, to be asked what was known when."""

    def __init__(self, plays: pd.DataFrame) -> None:
        """Sorts plays by the moment at which their outcome was known.

        Args:
            plays: What `data.plays` returned.
        """
        known_at = plays["started_at"] + pd.to_timedelta(plays["listened_s"], unit="s")
        columns = (known_at, plays["listener_id"], plays["track_id"], plays["skipped"])
        self._moments: dict[int, list[datetime]] = defaultdict(list)
        self._plays: dict[int, list[RecentPlay]] = defaultdict(list)
        order = known_at.argsort(kind="stable")
        for moment, listener, track_id, skipped in zip(*(c.iloc[order] for c in columns), strict=True):
            self._moments[listener].append(moment)
            self._plays[listener].append(RecentPlay(track_id, bool(skipped)))

    def known_at(self, listener_id: int, moment: datetime) -> tuple[RecentPlay, ...]:
        """Returns the listener's plays that had ended by a moment, newest last, at most 200."""
        end = bisect_right(self._moments[listener_id], moment)
        return tuple(self._plays[listener_id][max(0, end - MAX_RECENT_PLAYS) : end])
