"""What a client could have told the server before each recorded play."""

import pandas as pd

from cache_client.rpc.messages import ListenerContext, RecentPlay
from data.before_play import known_plays
from playthrough.v1.limits import MAX_RECENT_PLAYS


class RecordedContexts:
    """The contexts of recorded plays, made one at a time: each may hold 200 plays."""

    def __init__(self, plays: pd.DataFrame) -> None:
        """Finds what was known before each play, from all of `data.plays`."""
        self._known = known_plays(plays)
        ended = zip(plays["track_id"].iloc[self._known.rows], self._known.skipped.tolist(), strict=True)
        self._ended = [RecentPlay(track_id, skipped) for track_id, skipped in ended]
        self._situations = plays[["premium", "advertisement_before", "position"]].to_numpy()

    def at(self, row: int) -> ListenerContext:
        """Returns what was known when the play in a row of the table began."""
        premium, advertisement, position = self._situations[row]
        recent = tuple(self._ended[self._known.span(row, MAX_RECENT_PLAYS)])
        return ListenerContext(bool(premium), recent, bool(advertisement), int(position))
