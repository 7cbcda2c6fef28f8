"""Recorded sessions as the simulator replays them."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from cache_client.laboratory_errors import UsageError
from cache_client.prefetch.listener import listener_record
from cache_client.prefetch.plan import ListenerRecord
from cache_client.rpc.messages import ListenerContext
from cache_client.simulator.contexts import RecordedContexts
from data import Catalogue


class Track(NamedTuple):
    """A track; its storage class may be unknown, its popularity is the catalogue's, 0 to 100."""

    track_id: str
    duration_s: float
    storage_class: str | None
    popularity: float = 0.0


class RecordedPlay(NamedTuple):
    """What a listener did."""

    track: Track
    listened_s: float  # the whole track unless it was skipped
    pause_s: float  # between its end and the next play: an advertisement, mostly
    skipped: bool  # as recorded: a SKIP at a track's very end is one too


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """One session, and what stood in the queue after its end.

    The queue does not end where the recording does (`continuation`), so that looking too deep costs.
    """

    session_id: str
    listener_id: str
    favourite_genres: tuple[str, ...]
    listener: ListenerRecord  # of plays that had ended when the session began
    plays: tuple[RecordedPlay, ...]
    continuation: tuple[Track, ...]
    contexts: tuple[ListenerContext, ...] = ()  # known at each play, for a server to be asked with
    listened_before_s: float = 0.0  # what the listener had heard when the session began, in seconds

    def visible_track_ids(self, position: int, horizon: int) -> list[str]:
        """Returns the track of a play and what follows it as far as policies see, each once."""
        tracks = [*(play.track for play in self.plays), *self.continuation]
        visible = tracks[position : position + 1 + horizon]
        return list(dict.fromkeys(track.track_id for track in visible))


def held_out(plays: pd.DataFrame, holdout: float) -> pd.DataFrame:
    """Returns the plays of the sessions that start in the last part of the plays by time.

    Models trained with `--split temporal` saw the plays before; a session across the boundary is left out.

    Args:
        plays: What `data.plays` returned, in time order.
        holdout: Share of the plays that forms the last part, in (0, 1]; 1 keeps every session.

    Raises:
        UsageError: No session starts in that part.
    """
    if plays.empty:
        raise UsageError("the data set has no plays")
    first = plays["started_at"].iloc[len(plays) - max(1, round(len(plays) * holdout))]
    session_start = plays.groupby("session_id")["started_at"].transform("min")
    kept: pd.DataFrame = plays[session_start >= first]
    if kept.empty:
        raise UsageError(f"no session starts in the last {holdout:.0%} of the plays")
    return kept


def earlier(plays: pd.DataFrame, holdout: float) -> pd.DataFrame:
    """Returns the plays of the sessions that are over when the held-out part begins.

    Args:
        plays: What `data.plays` returned, in time order.
        holdout: As of `held_out`.
    """
    first = plays["started_at"].iloc[len(plays) - max(1, round(len(plays) * holdout))]
    session_end = plays.groupby("session_id")["started_at"].transform("max")
    before: pd.DataFrame = plays[session_end < first]
    return before


def recorded_sessions(
    plays: pd.DataFrame, catalogue: Catalogue, *, holdout: float, continuation: int, seed: int
) -> list[RecordedSession]:
    """Returns the held-out sessions in order of their start.

    Args:
        plays: All of `data.plays`: earlier ones were known of a listener.
        catalogue: The tracks with their storage.
        holdout: Share of the plays, by time, whose sessions are replayed.
        continuation: How many tracks to put behind each session's last one.
        seed: Of the draw of those tracks, together with the session's id.
    """
    kept = held_out(plays, holdout)
    # A track is drawn as often as it is played, by anybody, outside the replayed part where there is one.
    others = plays["track_id"].drop(kept.index)
    drawn_from = others if len(others) else plays["track_id"]
    return list(_sessions(kept, plays, catalogue, drawn_from.tolist(), continuation, seed))


def earlier_sessions(
    plays: pd.DataFrame, catalogue: Catalogue, *, holdout: float, continuation: int, seed: int, most: int
) -> list[RecordedSession]:
    """Returns the latest sessions before the held-out part, at most so many: what a policy may be tuned on.

    Args are those of `recorded_sessions`.
    """
    before = earlier(plays, holdout)
    latest = before["session_id"].drop_duplicates().tail(most)
    kept = before[before["session_id"].isin(latest)]
    return list(_sessions(kept, plays, catalogue, before["track_id"].tolist(), continuation, seed))


def _sessions(
    kept: pd.DataFrame,
    plays: pd.DataFrame,
    catalogue: Catalogue,
    drawn_from: list[str],
    continuation: int,
    seed: int,
) -> Iterator[RecordedSession]:
    """Yields the sessions of some of the plays, with what was known when each began."""
    contexts_of = RecordedContexts(plays)
    tracks = dict(_tracks(catalogue))
    heard_before_s = plays["listened_s"].groupby(plays["listener_id"]).cumsum() - plays["listened_s"]
    for _, group in kept.groupby("session_id", sort=False):
        session_id = str(group["session_id"].iloc[0])
        contexts = tuple(contexts_of.at(row) for row in group.index)
        draw = random.Random(f"{seed}/{session_id}")
        yield RecordedSession(
            session_id,
            str(group["listener_id"].iloc[0]),
            tuple(group["favourite_genres"].iloc[0]),
            listener_record(contexts[0]),
            tuple(_recorded_plays(group, tracks)),
            tuple(tracks[track_id] for track_id in draw.choices(drawn_from, k=continuation)),
            contexts,
            float(heard_before_s[group.index[0]]),
        )


def _tracks(catalogue: Catalogue) -> Iterator[tuple[str, Track]]:
    table = catalogue.tracks
    columns = (table["id"], table["duration_ms"], table["storage_class"], table["popularity"])
    for track_id, duration_ms, storage_class, popularity in zip(*columns, strict=True):
        known = storage_class if isinstance(storage_class, str) else None
        yield track_id, Track(track_id, float(duration_ms) / 1000, known, float(popularity))


def _recorded_plays(group: pd.DataFrame, tracks: dict[str, Track]) -> Iterator[RecordedPlay]:
    """Yields a session's plays; recordings that overlap leave no pause."""
    starts = [started_at.timestamp() for started_at in group["started_at"]]
    columns = (group["track_id"], group["listened_s"], group["skipped"])
    for row, (track_id, listened_s, skipped) in enumerate(zip(*columns, strict=True)):
        track = tracks[track_id]
        heard_s = min(max(float(listened_s), 0.0), track.duration_s)
        has_next = row + 1 < len(starts)
        pause_s = max(0.0, starts[row + 1] - starts[row] - heard_s) if has_next else 0.0
        yield RecordedPlay(track, heard_s, pause_s, bool(skipped))
