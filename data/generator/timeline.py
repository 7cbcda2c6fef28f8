"""When plays happen: which session each is of, when it starts, and the events that it brings."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EVENTS = ("PLAY", "LIKE", "SKIP", "ADVERTISEMENT", "BUY_PREMIUM")
"""Events that one play may bring, in the order in which they happen."""

_START = np.datetime64("2023-01-01", "ms")
_DAY_S = 24 * 3600
_WINDOW_S = 92 * _DAY_S
"""What v2 spans: about three months. A listener's sessions begin at random within it ..."""
RECORDING_DAYS = 100
"""... and end within so many days; nobody can listen for longer in that time."""

# Length of a session in plays, as in v2 (mean 18.2, standard deviation 10.5): most have 12 to 27 and none
# more than 40; some end at once. A listener's last one is cut off where the plays end.
_LENGTHS = np.arange(1, 41)
_LENGTH_ODDS = np.interp(_LENGTHS, [1, 2, 5, 8, 14, 20, 27, 32, 40], [28, 9, 13, 16, 21.5, 22, 18, 12, 9])


class TooManyPlaysError(Exception):
    """A listener would have to listen for longer than the recording lasts."""


@dataclass(frozen=True)
class EventBlock:
    """Events in time order, each array of shape (n_events,).

    Attributes:
        at: Time, datetime64[ms].
        track: Row of the track, -1 for an event without one.
        event: Index into `EVENTS`.
        session: Number of the session, from 0 for the listener's first.
        n_plays: How many of the events are plays.
    """

    at: NDArray[np.datetime64]
    track: NDArray[np.int64]
    event: NDArray[np.int64]
    session: NDArray[np.int64]
    n_plays: int


@dataclass(frozen=True)
class Plays:
    """Plays in order, each array of shape (n_plays,); times in milliseconds."""

    track: NDArray[np.int64]
    session: NDArray[np.int64]
    listened_ms: NDArray[np.int64]
    skipped: NDArray[np.bool_]
    like_after_ms: NDArray[np.int64]
    liked: NDArray[np.bool_]
    advertisement_ms: NDArray[np.int64]
    buys: NDArray[np.bool_]
    purchase_ms: NDArray[np.int64]


def session_of_plays(rng: np.random.Generator, n_plays: int) -> NDArray[np.int64]:
    """Returns the session of each play, from 0; the last session ends where the plays do."""
    # Even one-play sessions would fill the block.
    lengths = rng.choice(_LENGTHS, size=n_plays, p=_LENGTH_ODDS / _LENGTH_ODDS.sum())
    needed = int(np.searchsorted(np.cumsum(lengths), n_plays)) + 1
    return np.repeat(np.arange(needed), lengths[:needed])[:n_plays]


def start_times(
    rng: np.random.Generator, plays: Plays, clock_ms: int, share_of_time: float
) -> tuple[NDArray[np.int64], int]:
    """Returns each play's start and the end of all, in ms; sessions start on the second, none overlap.

    Raises:
        TooManyPlaysError: The plays last longer than their share of the recording.
    """
    span_ms = plays.listened_ms + plays.advertisement_ms + plays.purchase_ms
    ends_ms = np.cumsum(span_ms)
    is_first = np.diff(plays.session, prepend=-1) > 0
    within_ms = ends_ms - span_ms - (ends_ms - span_ms)[is_first][plays.session]
    duration_s = -(-np.add.reduceat(span_ms, np.flatnonzero(is_first)) // 1000)
    most_idle_s = share_of_time * RECORDING_DAYS * _DAY_S - duration_s.sum()
    if most_idle_s < 1:
        raise TooManyPlaysError
    window_s = min(share_of_time * _WINDOW_S, most_idle_s)
    idle_s = np.sort(rng.integers(0, int(window_s), len(duration_s)))
    session_start_ms = clock_ms + 1000 * (idle_s + np.cumsum(duration_s) - duration_s)
    end_ms = int(session_start_ms[-1] + 1000 * duration_s[-1])
    return session_start_ms[plays.session] + within_ms, end_ms


def events_of(plays: Plays, start_ms: NDArray[np.int64], n_sessions_before: int) -> EventBlock:
    """Returns the events of plays that start at the given times, shape (n_plays,)."""
    count = len(start_ms)
    end_ms = start_ms + plays.listened_ms
    # (n_plays, n_events): one column an event, in the order in which they happen.
    at_ms = np.stack(
        [start_ms, start_ms + plays.like_after_ms, end_ms, end_ms, end_ms + plays.advertisement_ms], axis=1
    )
    happens = np.stack(
        [np.ones(count, dtype=bool), plays.liked, plays.skipped, plays.advertisement_ms > 0, plays.buys],
        axis=1,
    )
    play, event = np.nonzero(happens)
    return EventBlock(
        at=_START + at_ms[happens].astype("timedelta64[ms]"),
        track=np.where(event <= EVENTS.index("SKIP"), plays.track[play], -1),
        event=event,
        session=plays.session[play] + n_sessions_before,
        n_plays=count,
    )
