"""Recorded sessions: which are replayed, what was known when, and what the queue shows past the end."""

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from cache_client.laboratory_errors import UsageError
from cache_client.prefetch.plan import ListenerRecord
from cache_client.rpc.messages import RecentPlay
from cache_client.simulator import RecordedSession, held_out, recorded_sessions
from cache_client.simulator.contexts import RecordedContexts
from cache_client.simulator.trace import earlier_sessions
from data import Catalogue

NOON = datetime(2024, 1, 1, 12)


def play(session_id: int, minute: float, track_id: str, **changes: Any) -> dict[str, Any]:
    """Returns one row as `data.plays` makes it: a play of 60 s by listener 7."""
    row = {
        "session_id": session_id,
        "position": 0,
        "listener_id": 7,
        "track_id": track_id,
        "started_at": NOON + timedelta(minutes=minute),
        "advertisement_before": False,
        "skipped": False,
        "liked_while_playing": False,
        "listened_s": 60.0,
        "duration_s": 60.0,
        "favourite_genres": ["jazz"],
        "premium": True,
    }
    return row | changes


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    frame = pd.DataFrame(rows).sort_values("started_at", kind="stable", ignore_index=True)
    return frame.astype({"started_at": "datetime64[us]"})


CATALOGUE = Catalogue(
    pd.DataFrame(
        {
            "id": list("abcde"),
            "duration_ms": [60_000] * 5,
            "storage_class": ["SLOW", "FAST", None, "MEDIUM", "SLOW"],
            "popularity": [50] * 5,
        }
    )
)
PLAYS = table(
    play(1, 0, "a"),
    play(1, 1, "b", skipped=True, listened_s=30.0),
    play(2, 6, "a"),
    play(2, 8, "c", skipped=True, listened_s=10.0),
    play(3, 9, "b"),
    play(3, 10.5, "d"),
)


def sessions(plays: pd.DataFrame = PLAYS, **changes: Any) -> list[RecordedSession]:
    options: dict[str, Any] = {"holdout": 0.5, "continuation": 3, "seed": 42}
    return recorded_sessions(plays, CATALOGUE, **(options | changes))


def test_only_sessions_that_start_in_the_last_part_are_held_out() -> None:
    # The last half of six plays begins with session 2's second play: session 2 began before it.
    assert set(held_out(PLAYS, 0.5)["session_id"]) == {3}
    assert set(held_out(PLAYS, 1.0)["session_id"]) == {1, 2, 3}


def test_no_session_in_the_last_part_is_a_clear_error() -> None:
    with pytest.raises(UsageError, match="no session starts in the last 20% of the plays"):
        held_out(table(play(1, 0, "a"), play(1, 1, "b")), 0.2)
    with pytest.raises(UsageError, match="no plays"):
        held_out(PLAYS[:0], 0.2)


def test_a_session_keeps_what_was_heard_and_the_pauses_between() -> None:
    _, second, third = sessions(holdout=1.0)
    assert [(p.track.track_id, p.listened_s, p.pause_s) for p in second.plays] == [
        ("a", 60.0, 60.0),
        ("c", 10.0, 0.0),
    ]
    assert third.plays[0].pause_s == pytest.approx(30.0)
    assert [p.track.storage_class for p in second.plays] == ["SLOW", None]


def test_plays_that_overlap_leave_no_pause() -> None:
    (only,) = sessions(table(play(1, 0, "a"), play(1, 0.5, "b")), holdout=1.0)
    assert only.plays[0].pause_s == 0.0


def test_more_heard_than_the_track_lasts_counts_as_the_track() -> None:
    (only,) = sessions(table(play(1, 0, "a", listened_s=99.0, skipped=True)), holdout=1.0)
    assert only.plays[0].listened_s == 60.0
    assert only.plays[0].skipped


def test_the_outcome_is_the_recorded_one_whatever_the_seconds_say() -> None:
    late = play(1, 0, "a", skipped=True, listened_s=60.0)
    (only,) = sessions(table(late, play(1, 1, "b", listened_s=59.999)), holdout=1.0)
    assert [it.skipped for it in only.plays] == [True, False]


def test_what_is_known_at_a_sessions_start_holds_no_outcome_of_it_or_later() -> None:
    # Session 3 starts at minute 9; c, skipped at 8:10, was known; nothing of session 3 is.
    (third,) = sessions()
    assert third.contexts[0].recent_plays == (
        RecentPlay("a", False), RecentPlay("b", True), RecentPlay("a", False), RecentPlay("c", True)
    )  # fmt: skip
    assert (third.contexts[0].premium, third.contexts[0].position) == (True, 0)
    assert third.listener == ListenerRecord(4, 2)


def test_at_most_200_plays_are_known_the_latest() -> None:
    many = table(*(play(number, number, "a", skipped=number == 248) for number in range(250)))
    known = RecordedContexts(many).at(249).recent_plays
    assert len(known) == 200
    assert known[-1] == RecentPlay("a", True)


def test_the_queue_goes_on_with_tracks_from_before_drawn_the_same_each_time() -> None:
    (third,) = sessions(continuation=50)
    # Played outside the replayed part: a, b and c, but never d.
    assert {track.track_id for track in third.continuation} == {"a", "b", "c"}
    assert sessions(continuation=50)[0].continuation == third.continuation
    assert sessions(continuation=50, seed=43)[0].continuation != third.continuation


def test_earlier_sessions_are_over_when_the_held_out_part_begins() -> None:
    before = earlier_sessions(PLAYS, CATALOGUE, holdout=0.4, continuation=3, seed=42, most=5)
    # The last two of six plays are session 3's: 1 and 2 are over by then.
    assert [it.session_id for it in before] == ["1", "2"]
    latest = earlier_sessions(PLAYS, CATALOGUE, holdout=0.4, continuation=3, seed=42, most=1)
    assert [it.session_id for it in latest] == ["2"]
    # A session across the boundary is in neither part; where all is held out none is earlier.
    across = earlier_sessions(PLAYS, CATALOGUE, holdout=0.5, continuation=3, seed=42, most=5)
    assert [it.session_id for it in across] == ["1"]
    assert earlier_sessions(PLAYS, CATALOGUE, holdout=1.0, continuation=3, seed=42, most=5) == []


def test_a_session_knows_how_long_its_listener_had_listened() -> None:
    assert [it.listened_before_s for it in sessions(holdout=1.0)] == [0.0, 90.0, 160.0]
