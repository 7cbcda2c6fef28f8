"""Rules about the events of the sessions: what they refer to, and what must come before what."""

import numpy as np
import pandas as pd

from data.quality.rules import Broken, Tables, rule
from data.reading.faults import Severity
from data.reading.references import needs_track, of_shared_session, of_unknown_listener, of_unknown_track


@rule("unknown-listener", Severity.ERROR, table="sessions", column="user_id", needs=("users",))
def unknown_listener(tables: Tables) -> Broken:
    """Events of a listener that users.jsonl does not have."""
    sessions = tables["sessions"]
    return Broken(sessions.loc[of_unknown_listener(sessions, tables["users"]), "user_id"])


@rule("unknown-track", Severity.ERROR, table="sessions", column="track_id", needs=("tracks",))
def unknown_track(tables: Tables) -> Broken:
    """Events about a track that tracks.jsonl does not have."""
    sessions = tables["sessions"]
    unknown = of_unknown_track(sessions, tables["tracks"]) & (sessions["track_id"] != "").to_numpy()
    return Broken(sessions.loc[unknown, "track_id"])


@rule("no-track", Severity.ERROR, table="sessions", column="track_id")
def no_track(tables: Tables) -> Broken:
    """The empty string on an event that is about a track, or whose type is unknown."""
    sessions = tables["sessions"]
    may_need = needs_track(sessions) | sessions["event_type"].isna().to_numpy()
    return Broken(sessions.loc[may_need & (sessions["track_id"] == "").to_numpy(), "track_id"])


@rule("empty-track-id", Severity.INFO, table="sessions", column="track_id")
def empty_track_id(tables: Tables) -> Broken:
    """Events whose track id is the empty string."""
    sessions = tables["sessions"]
    empty = (sessions["track_id"] == "").to_numpy()
    needless = empty & sessions["event_type"].notna().to_numpy() & ~needs_track(sessions)
    return Broken(
        sessions.loc[empty, "track_id"], note=f"{needless.sum():,} of them on events that need none"
    )


@rule("needless-track-id", Severity.INFO, table="sessions", column="track_id")
def needless_track_id(tables: Tables) -> Broken:
    """Events that need no track and name one all the same."""
    sessions = tables["sessions"]
    needless = sessions["event_type"].notna().to_numpy() & ~needs_track(sessions)
    return Broken(sessions.loc[needless & (sessions["track_id"].fillna("") != "").to_numpy(), "track_id"])


@rule("two-listeners", Severity.ERROR, table="sessions", column="session_id")
def two_listeners(tables: Tables) -> Broken:
    """Sessions with events of more than one listener."""
    sessions = tables["sessions"]
    shared = sessions.loc[of_shared_session(sessions), ["session_id", "user_id"]].dropna()
    first_line = ~shared["session_id"].duplicated()
    return Broken(shared.loc[first_line, "session_id"], note=f"{len(shared):,} events")


@rule("time-backwards", Severity.WARNING, table="sessions", column="timestamp")
def time_backwards(tables: Tables) -> Broken:
    """Events earlier than the one before them in their session."""
    events = tables["sessions"][["timestamp", "session_id"]].dropna()
    before = events.groupby("session_id", sort=False)["timestamp"].shift()
    return Broken(events.loc[events["timestamp"] < before, "timestamp"])


@rule("repeated-event", Severity.WARNING, table="sessions")
def repeated_event(tables: Tables) -> Broken:
    """Events that are there more than once, equal in every column."""
    events = tables["sessions"].dropna()
    return Broken(events.loc[events.duplicated(), "event_type"])


@rule("skip-without-play", Severity.WARNING, table="sessions", column="event_type")
def skip_without_play(tables: Tables) -> Broken:
    """SKIPs without a PLAY of the same track before them in their session; they are passed over."""
    return _without_play(tables, "SKIP")


@rule("like-without-play", Severity.WARNING, table="sessions", column="event_type")
def like_without_play(tables: Tables) -> Broken:
    """LIKEs without a PLAY of the same track before them in their session; they are passed over."""
    return _without_play(tables, "LIKE")


@rule("skip-after-end", Severity.WARNING, table="sessions", column="timestamp", needs=("tracks",))
def skip_after_end(tables: Tables) -> Broken:
    """SKIPs later than the end of the track that they skip."""
    events, play_of = tables.events_and_plays
    skips = ((events["event_type"] == "SKIP") & (play_of >= 0)).to_numpy()
    plays = events[(events["event_type"] == "PLAY").to_numpy()]
    started = plays["timestamp"].to_numpy()[play_of[skips]]
    heard_ms = (events["timestamp"].to_numpy()[skips] - started) / np.timedelta64(1, "ms")
    tracks = tables["tracks"].dropna(subset=["id", "duration_ms"]).drop_duplicates("id")
    duration_ms = events.loc[skips, "track_id"].map(tracks.set_index("id")["duration_ms"].astype("float64"))
    late = heard_ms > duration_ms.to_numpy(dtype=np.float64)
    skipped = events[skips][late]
    return Broken(pd.Series(skipped["timestamp"].to_numpy(), index=skipped["line"]).sort_index())


def _without_play(tables: Tables, event_type: str) -> Broken:
    events, play_of = tables.events_and_plays
    about_a_track = ((events["event_type"] == event_type) & (events["track_id"] != "")).to_numpy()
    lonely = events[about_a_track & (play_of < 0)]
    return Broken(pd.Series(lonely["track_id"].to_numpy(), index=lonely["line"]).sort_index())
