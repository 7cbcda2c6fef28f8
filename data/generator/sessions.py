"""Synthetic listening: one listener's sessions as vectors, a block of whole sessions at a time."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from data.generator.catalogue import Tracks
from data.generator.listeners import Listeners
from data.generator.odds import draw, intercept, probability
from data.generator.timeline import EventBlock, Plays, events_of, session_of_plays, start_times

BLOCK_PLAYS = 20_000
"""Plays held in memory at a time."""

_FAVOURITE_PICK_SHARE = 0.1
_REPLAY_SHARE = 0.1
_SOUND_WEIGHT, _STYLE_WEIGHT, _DURATION_WEIGHT = 0.9, 0.6, 0.65
_TYPICAL_TRACKS = 500
_LONG_MS = 600_000
"""Tracks longer than that are skipped as often as those that are just so long."""


class Listening:
    """The events of any listener of a data set."""

    def __init__(self, tracks: Tracks, style_of_track: NDArray[np.int64], listeners: Listeners) -> None:
        """Precomputes what all listeners share."""
        self._tracks = tracks
        self._duration_ms = tracks.duration_ms
        self._log_duration = np.log(np.minimum(tracks.duration_ms, _LONG_MS))
        self._style = style_of_track
        self._odds = np.cumsum(tracks.play_weight)
        self._typical = _row_at(self._odds, (np.arange(_TYPICAL_TRACKS) + 0.5) / _TYPICAL_TRACKS)
        self._listeners = listeners

    def blocks(self, rng: np.random.Generator, listener: int) -> Iterator[EventBlock]:
        """Yields a listener's events in time order, in blocks of at most `BLOCK_PLAYS` plays."""
        n_plays = int(self._listeners.n_plays[listener])
        buys_at = int(rng.integers(0, max(1, n_plays // 2))) if self._listeners.premium[listener] else n_plays
        own = self._own_tracks(listener)
        impatience = self._impatience(listener, own)
        n_sessions, clock_ms = 0, 0
        for first in range(0, n_plays, BLOCK_PLAYS):
            count = min(BLOCK_PLAYS, n_plays - first)
            track = self._picks(rng, own, count)
            chances = probability(impatience + self._reluctance(listener, track))
            plays = self._plays(rng, track, chances, self._listeners.like_share[listener], buys_at - first)
            start_ms, end_ms = start_times(rng, plays, clock_ms, count / n_plays)
            yield events_of(plays, start_ms, n_sessions)
            n_sessions += int(plays.session[-1]) + 1
            clock_ms = end_ms

    def _plays(
        self,
        rng: np.random.Generator,
        track: NDArray[np.int64],
        skip_chance: NDArray[np.float64],
        like_share: float,
        buys_at: int,
    ) -> Plays:
        count = len(track)
        session = session_of_plays(rng, count)
        duration_ms = self._duration_ms[track]
        skipped = draw(rng, skip_chance)
        # v2 has skips all along the track, and more of them towards its end.
        heard = rng.random(count) ** np.where(rng.random(count) < 0.22, 1 / 3, 1.0)
        listened_ms = np.where(skipped, np.maximum(1, (heard * duration_ms).astype(np.int64)), duration_ms)
        # In v2 a like says nothing of the skip: who likes much skips as much as who likes little.
        liked = draw(rng, np.full(count, like_share))
        like_after_ms = (rng.random(count) * listened_ms).astype(np.int64)
        index = np.arange(count)
        # How much advertising a session brings differs from one to the next.
        advertising = rng.uniform(0.0, 0.87, int(session[-1]) + 1)[session]
        advertised = ((rng.random(count) < advertising) & (index < buys_at)) | (index == buys_at)
        return Plays(
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

    def _own_tracks(self, listener: int) -> NDArray[np.int64]:
        """Returns the tracks of the favourite genres."""
        of_genre = self._tracks.tracks_of_genre
        return np.unique(np.concatenate([of_genre[g] for g in self._listeners.favourites[listener]]))

    def _picks(self, rng: np.random.Generator, own: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        """Returns tracks by their popularity: some from the favourite genres alone, some heard before."""
        picks = _row_at(self._odds, rng.random(count))
        from_own = rng.random(count) < _FAVOURITE_PICK_SHARE
        if len(own):
            own_picks = own[_row_at(np.cumsum(self._tracks.play_weight[own]), rng.random(count))]
            picks = np.where(from_own, own_picks, picks)
        earlier = (rng.random(count) * np.arange(count)).astype(np.int64)
        again = rng.random(count) < _REPLAY_SHARE
        return np.where(again, picks[earlier], picks)

    def _impatience(self, listener: int, own: NDArray[np.int64]) -> float:
        """Returns the log-odds of skipping that lead to the listener's share of skips over what is played."""
        others = np.full(_TYPICAL_TRACKS, 1 / _TYPICAL_TRACKS)
        weights, tracks = others, self._typical
        if len(own):
            of_own = self._tracks.play_weight[own] / self._tracks.play_weight[own].sum()
            weights = np.concatenate([(1 - _FAVOURITE_PICK_SHARE) * others, _FAVOURITE_PICK_SHARE * of_own])
            tracks = np.concatenate([tracks, own])
        return intercept(self._listeners.skip_share[listener], self._reluctance(listener, tracks), weights)

    def _reluctance(self, listener: int, track: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns what speaks for a skip of each track, in log-odds: not to the listener's taste, or long."""
        of_sound = self._tracks.sound[track] @ self._listeners.sound_taste[listener]
        of_style = self._listeners.style_taste[listener, self._style[track]]
        reluctance: NDArray[np.float64] = (
            _DURATION_WEIGHT * self._log_duration[track] - _SOUND_WEIGHT * of_sound - _STYLE_WEIGHT * of_style
        )
        return reluctance


def _row_at(cumulative: NDArray[np.float64], quantiles: NDArray[np.float64]) -> NDArray[np.int64]:
    """Returns the rows at quantiles of a distribution, given its cumulative weights."""
    rows: NDArray[np.int64] = np.searchsorted(cumulative, quantiles * cumulative[-1], side="right")
    within: NDArray[np.int64] = np.minimum(rows, len(cumulative) - 1)  # rounding may reach the very end
    return within
