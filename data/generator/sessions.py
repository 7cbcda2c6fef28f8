"""Synthetic listening: one listener's sessions as vectors, a block of whole sessions at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.generator.catalogue import Tracks
from data.generator.listeners import Listeners

EVENTS = ("PLAY", "LIKE", "SKIP", "ADVERTISEMENT", "BUY_PREMIUM")
"""Events that one play may bring, in the order in which they happen."""

BLOCK_PLAYS = 20_000
"""Plays held in memory at a time."""

_START = np.datetime64("2023-01-01", "ms")
_WINDOW_MS = 92 * 24 * 3_600_000
"""What v2 spans: about three months."""
_WINDOW_PLAYS = 500
"""Most plays of a v2 listener in that time; who makes more is recorded for longer."""
_FAVOURITE_PICK_SHARE = 0.1
_REPLAY_SHARE = 0.1
_SOUND_WEIGHT, _STYLE_WEIGHT = 1.0, 0.6

# Length of a session in plays: level up to 26, then falling to the longest, 40; some end at once. That is
# v2's shape (mean 18.2, standard deviation 10.5), and an end after 5.5 % of the plays.
_LENGTHS = np.arange(1, 41)
_LENGTH_ODDS = np.interp(_LENGTHS, [1, 2, 26, 40], [1.4, 0.8, 1.0, 0.45])


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
class _Plays:
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


class Listening:
    """Makes the events of any listener of a data set."""

    def __init__(self, tracks: Tracks, style_of_track: NDArray[np.int64], listeners: Listeners) -> None:
        """Precomputes what all listeners share."""
        self._tracks = tracks
        self._duration_ms = tracks.duration_ms
        self._style = style_of_track
        self._odds = np.cumsum(tracks.play_weight)
        self._listeners = listeners

    def blocks(self, rng: np.random.Generator, listener: int) -> Iterator[EventBlock]:
        """Yields a listener's events in time order, in blocks of at most `BLOCK_PLAYS` plays."""
        n_plays = int(self._listeners.n_plays[listener])
        buys_at = int(rng.integers(0, max(1, n_plays // 2))) if self._listeners.premium[listener] else n_plays
        n_sessions, clock_ms = 0, 0
        for first in range(0, n_plays, BLOCK_PLAYS):
            count = min(BLOCK_PLAYS, n_plays - first)
            plays = self._plays(rng, listener, count, buys_at - first)
            start_ms, end_ms = _start_times(rng, plays, clock_ms)
            yield _events(plays, start_ms, n_sessions)
            n_sessions += int(plays.session[-1]) + 1
            clock_ms = end_ms

    def _plays(self, rng: np.random.Generator, listener: int, count: int, buys_at: int) -> _Plays:
        session = _sessions(rng, count)
        track = self._picks(rng, listener, count)
        duration_ms = self._duration_ms[track]
        affinity = self._affinity(listener, track)
        skipped = rng.random(count) < _probability(self._listeners.impatience[listener] - affinity)
        # v2 has skips all along the track, and more of them towards its end.
        heard = rng.random(count) ** np.where(rng.random(count) < 0.22, 1 / 3, 1.0)
        listened_ms = np.where(skipped, np.maximum(1, (heard * duration_ms).astype(np.int64)), duration_ms)
        liked = rng.random(count) < _probability(self._listeners.enthusiasm[listener] + 0.2 * affinity)
        like_after_ms = (rng.random(count) * listened_ms).astype(np.int64)
        index = np.arange(count)
        # How much advertising a session brings differs from one to the next.
        advertising = rng.uniform(0.0, 0.87, int(session[-1]) + 1)[session]
        advertised = ((rng.random(count) < advertising) & (index < buys_at)) | (index == buys_at)
        return _Plays(
            track=track,
            session=session,
            listened_ms=listened_ms,
            skipped=skipped,
            like_after_ms=like_after_ms,
            liked=liked,
            advertisement_ms=np.where(advertised, 1000 * rng.integers(5, 31, count), 0),
            buys=index == buys_at,
            purchase_ms=np.where(index == buys_at, 1000 * rng.integers(5, 31, count), 0),
        )

    def _picks(self, rng: np.random.Generator, listener: int, count: int) -> NDArray[np.int64]:
        """Returns tracks by their popularity: some from the favourite genres alone, some heard before."""
        picks = _draw(rng, self._odds, count)
        own = np.unique(
            np.concatenate([self._tracks.tracks_of_genre[g] for g in self._listeners.favourites[listener]])
        )
        from_own = rng.random(count) < _FAVOURITE_PICK_SHARE
        if len(own):
            own_picks = own[_draw(rng, np.cumsum(self._tracks.play_weight[own]), count)]
            picks = np.where(from_own, own_picks, picks)
        earlier = (rng.random(count) * np.arange(count)).astype(np.int64)
        again = rng.random(count) < _REPLAY_SHARE
        return np.where(again, picks[earlier], picks)

    def _affinity(self, listener: int, track: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns how much the listener likes each track, in log-odds of hearing it out."""
        of_sound = self._tracks.sound[track] @ self._listeners.sound_taste[listener]
        of_style = self._listeners.style_taste[listener, self._style[track]]
        affinity: NDArray[np.float64] = _SOUND_WEIGHT * of_sound + _STYLE_WEIGHT * of_style
        return affinity


def _probability(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-log_odds))


def _draw(rng: np.random.Generator, cumulative: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    drawn: NDArray[np.int64] = np.searchsorted(cumulative, rng.random(count) * cumulative[-1], side="right")
    within: NDArray[np.int64] = np.minimum(drawn, len(cumulative) - 1)  # rounding may reach the very end
    return within


def _sessions(rng: np.random.Generator, n_plays: int) -> NDArray[np.int64]:
    """Returns the session of each play, from 0; the last session ends where the plays do."""
    # Even one-play sessions would fill the block.
    lengths = rng.choice(_LENGTHS, size=n_plays, p=_LENGTH_ODDS / _LENGTH_ODDS.sum())
    needed = int(np.searchsorted(np.cumsum(lengths), n_plays)) + 1
    return np.repeat(np.arange(needed), lengths[:needed])[:n_plays]


def _start_times(rng: np.random.Generator, plays: _Plays, clock_ms: int) -> tuple[NDArray[np.int64], int]:
    """Returns each play's start and the end of all, in ms; sessions start on the second, none overlap."""
    span_ms = plays.listened_ms + plays.advertisement_ms + plays.purchase_ms
    ends_ms = np.cumsum(span_ms)
    is_first = np.diff(plays.session, prepend=-1) > 0
    within_ms = ends_ms - span_ms - (ends_ms - span_ms)[is_first][plays.session]
    duration_s = -(-np.add.reduceat(span_ms, np.flatnonzero(is_first)) // 1000)
    window_s = _WINDOW_MS // 1000 * max(1.0, len(span_ms) / _WINDOW_PLAYS)
    idle_s = np.sort(rng.integers(0, int(window_s), len(duration_s)))
    session_start_ms = clock_ms + 1000 * (idle_s + np.cumsum(duration_s) - duration_s)
    end_ms = int(session_start_ms[-1] + 1000 * duration_s[-1])
    return session_start_ms[plays.session] + within_ms, end_ms


def _events(plays: _Plays, start_ms: NDArray[np.int64], n_sessions_before: int) -> EventBlock:
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
