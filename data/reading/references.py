"""What the sessions owe to the other files, and to themselves: masks over the events at fault."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.schema import TRACK_EVENT_TYPES


def needs_track(sessions: pd.DataFrame) -> NDArray[np.bool_]:
    """Returns which events are about a track, shape (n_events,)."""
    return sessions["event_type"].isin(TRACK_EVENT_TYPES).to_numpy(dtype=bool)


def of_unknown_listener(sessions: pd.DataFrame, users: pd.DataFrame) -> NDArray[np.bool_]:
    """Returns which events name a listener that `users` does not have, shape (n_events,)."""
    known = sessions["user_id"].isin(users["user_id"].dropna()).to_numpy(dtype=bool)
    return sessions["user_id"].notna().to_numpy() & ~known


def of_unknown_track(sessions: pd.DataFrame, tracks: pd.DataFrame) -> NDArray[np.bool_]:
    """Returns which events are about a track that `tracks` does not have, the empty id included."""
    known = sessions["track_id"].isin(tracks["id"].dropna()).to_numpy(dtype=bool)
    return needs_track(sessions) & sessions["track_id"].notna().to_numpy() & ~known


def of_shared_session(sessions: pd.DataFrame) -> NDArray[np.bool_]:
    """Returns which events are of a session that has events of more than one listener, shape (n_events,)."""
    pairs = sessions[["session_id", "user_id"]].dropna().drop_duplicates()
    shared = pairs.loc[pairs["session_id"].duplicated(), "session_id"]
    return sessions["session_id"].isin(shared).to_numpy(dtype=bool)
