"""Sessions to plays: what became of every PLAY."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.dataset import Dataset

_PLAY_COLUMNS = (
    "session_id", "position", "listener_id", "track_id", "started_at", "advertisement_before", "skipped",
    "liked_while_playing", "listened_s", "duration_s", "favourite_genres", "premium",
)  # fmt: skip


def plays(dataset: Dataset) -> pd.DataFrame:
    """Turns the session events into one row a PLAY.

    A SKIP or LIKE belongs to the latest PLAY of the same track in the same session before or at its time; of
    events at the same time, the one that comes first in the file came first. An advertisement comes before a
    PLAY when it lies between it and the session's PLAY before. Sessions may interleave, and the file may be
    in any order.

    What a row says of a play besides its outcome (`skipped`, `liked_while_playing`, `listened_s`) was known
    when it started: no later event changes it. So `premium` is rebuilt from the purchases, since
    `premium_user` is the state at the end of the recording:

    - A listener has premium from the first BUY_PREMIUM on, in whatever session it was; more of them change
      nothing, and no event ends it. A purchase at the very time of a PLAY counts for it if it comes first in
      the file.
    - A listener without a BUY_PREMIUM was at the start what `premium_user` says: premium throughout (bought
      before the recording), or never.
    - Of a listener with one, `premium_user` says nothing of the plays: false means that premium ended after
      the purchase, nobody knows when.

    Args:
        dataset: What `read_dataset` returned.

    Returns:
        In time order (then file order), RangeIndex: `session_id` (str), `position` (int64, from 0 in its
        session), `listener_id` (str), `track_id` (str), `started_at` (datetime64[us]),
        `advertisement_before` (bool), `skipped` (bool), `liked_while_playing` (bool), `listened_s` (float64:
        to the SKIP if skipped, else the track's duration), `duration_s` (float64), `favourite_genres`
        (list[str] of the listener), `premium` (bool: the listener had it when the play started).
    """
    events = in_session_order(dataset.sessions)
    is_play = (events["event_type"] == "PLAY").to_numpy()
    table = _outcomes(events, is_play)
    table = table.sort_values(["started_at", "file_row"], kind="stable", ignore_index=True)
    _join_track_and_listener(table, dataset)
    table["premium"] = _premium(table, events, dataset.users)
    return table[list(_PLAY_COLUMNS)]


def in_session_order(sessions: pd.DataFrame) -> pd.DataFrame:
    """Returns the events session by session, each session in time order, then file order."""
    # Numbers, since the ids are texts, which are slow to sort and to group by.
    session = pd.factorize(sessions["session_id"])[0]
    events = sessions.assign(file_row=np.arange(len(sessions)), session=session)
    # lexsort is stable and takes its keys from the last to the first.
    order = np.lexsort((events["timestamp"].to_numpy(), session))
    return events.iloc[order].reset_index(drop=True)


def _outcomes(events: pd.DataFrame, is_play: NDArray[np.bool_]) -> pd.DataFrame:
    """Returns the PLAY events with their outcome columns, in the events' order."""
    table = events[is_play].reset_index(drop=True).rename(
        columns={"timestamp": "started_at", "user_id": "listener_id"}
    )  # fmt: skip
    table["position"] = table.groupby("session", sort=False).cumcount().astype(np.int64)
    table["advertisement_before"] = _advertisement_before(events, is_play)
    play_of = play_of_event(events, is_play)
    event_type = events["event_type"]
    skips = (event_type == "SKIP").to_numpy() & (play_of >= 0)
    likes = (event_type == "LIKE").to_numpy() & (play_of >= 0)
    skipped_at = np.full(len(table), np.datetime64("NaT", "us"))
    # Written from the last to the first, so that a play's first SKIP stays.
    skipped_at[play_of[skips][::-1]] = events["timestamp"].to_numpy()[skips][::-1]
    table["skipped"] = ~np.isnat(skipped_at)
    table["liked_while_playing"] = np.isin(np.arange(len(table)), play_of[likes])
    table["skipped_after_s"] = (skipped_at - table["started_at"].to_numpy()) / np.timedelta64(1, "s")
    return table


def play_of_event(events: pd.DataFrame, is_play: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Returns each event's PLAY (row among the plays): the latest of its session and track so far, or -1."""
    number = pd.Series(np.where(is_play, np.cumsum(is_play) - 1, np.nan))
    by_session_and_track = [events["session"], events["track_id"]]
    latest = number.groupby(by_session_and_track, sort=False).ffill()
    return latest.fillna(-1).to_numpy().astype(np.int64)


def _advertisement_before(events: pd.DataFrame, is_play: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns for each PLAY whether its session had an advertisement since the PLAY before (or its start)."""
    is_advertisement = (events["event_type"] == "ADVERTISEMENT").to_numpy()
    seen = pd.Series(is_advertisement.astype(np.int64)).groupby(events["session"], sort=False).cumsum()
    seen_at_play = seen[is_play]
    since = seen_at_play - seen_at_play.groupby(events["session"][is_play], sort=False).shift(fill_value=0)
    return (since > 0).to_numpy()


def _join_track_and_listener(table: pd.DataFrame, dataset: Dataset) -> None:
    """Adds what the tracks and the listeners files say, in place."""
    tracks, users = dataset.tracks, dataset.users
    # An appended last value serves a track, or a listener, who is not in the file: row -1.
    duration_s = np.append(tracks["duration_ms"].to_numpy(dtype=np.float64) / 1000, np.nan)
    table["duration_s"] = duration_s[_rows_of(table["track_id"], tracks["id"])]
    table["listened_s"] = table["skipped_after_s"].where(table["skipped"], table["duration_s"])
    genres = [*users["favourite_genres"], []]
    row = _rows_of(table["listener_id"], users["user_id"])
    table["favourite_genres"] = pd.Series([genres[i] for i in row.tolist()], index=table.index, dtype=object)


def _rows_of(wanted: "pd.Series[str]", ids: "pd.Series[str]") -> NDArray[np.int64]:
    return pd.Index(ids).get_indexer(pd.Index(wanted))


def _premium(table: pd.DataFrame, events: pd.DataFrame, users: pd.DataFrame) -> NDArray[np.bool_]:
    """Returns for each play whether its listener had premium when it started."""
    purchases = events.loc[events["event_type"] == "BUY_PREMIUM", ["user_id", "timestamp", "file_row"]]
    first = purchases.sort_values(["timestamp", "file_row"]).drop_duplicates("user_id")
    bought_before_recording = set(users["user_id"][users["premium_user"]]) - set(first["user_id"])
    listener, ids = pd.factorize(table["listener_id"])
    throughout = ids.isin(bought_before_recording)[listener]
    bought = first.set_index("user_id").reindex(ids).iloc[listener]
    started_at, bought_at = table["started_at"].to_numpy(), bought["timestamp"].to_numpy()
    is_earlier_in_file = bought["file_row"].to_numpy() < table["file_row"].to_numpy()
    since_purchase = (bought_at < started_at) | ((bought_at == started_at) & is_earlier_in_file)
    premium: NDArray[np.bool_] = throughout | since_purchase
    return premium
