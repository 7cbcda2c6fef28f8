"""A data set by hand, all five tables of it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from data import Dataset
from data.analysis.statistics import SHARES

Event = tuple[int, int, str, str, int]
"""Second of the day, listener, track, event type, session."""


def tiny_dataset(events: Sequence[Event]) -> Dataset:
    """Returns the events of listeners 1 (free), 2 (premium) and tracks a (100 s, SLOW), b (200 s, FAST)."""
    seconds = np.array([event[0] for event in events], dtype="timedelta64[s]")
    sessions = pd.DataFrame({
        "timestamp": (np.datetime64("2023-01-01", "us") + seconds).astype("datetime64[us]"),
        "user_id": pd.Series([str(event[1]) for event in events], dtype="str"),
        "track_id": pd.Series([event[2] for event in events], dtype="str"),
        "event_type": pd.Series([event[3] for event in events], dtype="str"),
        "session_id": pd.Series([str(event[4]) for event in events], dtype="str"),
    })  # fmt: skip
    tracks = pd.DataFrame({
        "id": ["a", "b"], "name": ["A", "B"], "popularity": [10, 90], "duration_ms": [100_000, 200_000],
        "explicit": [0, 1], "id_artist": ["x", "x"], "release_date": ["1999", "2020-05"], "key": [-1, 11],
        "loudness": [-5.0, -9.0], "tempo": [90.0, 120.0], **{share: [0.25, 0.75] for share in SHARES},
    })  # fmt: skip
    users = pd.DataFrame({
        "user_id": ["1", "2"], "favourite_genres": pd.Series([["jazz"], ["rock", "pop"]], dtype=object),
        "premium_user": [False, True],
    })  # fmt: skip
    artists = pd.DataFrame({"id": ["x"], "name": ["X"], "genres": pd.Series([["jazz"]], dtype=object)})
    storage = pd.DataFrame(
        {"track_id": ["a", "b"], "storage_class": ["SLOW", "FAST"], "daily_cost": [0.005, 0.1]}
    )
    return Dataset(artists, tracks, users, storage, sessions, digest="")
