"""Synthetic artists and tracks: what they sound like, how popular they are, how they are stored."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.generator import audio, names
from data.generator.vocabulary import STYLES, Genres

_N_HITS, _MOST_HITS_SHARE = 100, 0.02
"""Number of hits, and the share of the tracks that they are at most; in v2 100 tracks got 40 plays each."""
_HIT_PLAYS_SHARE = 0.32
"""Share of the plays that go to hits, as in v2."""
_PLAYS_BY_DURATION = (
    [60_000, 150_000, 270_000, 350_000, 500_000, 800_000, 1_500_000],
    [0.29, 0.36, 0.37, 0.44, 0.59, 0.53, 0.39],
)
"""Durations in ms, and how often v2 plays tracks that are no hits and about as long."""


@dataclass(frozen=True)
class Artists:
    """Artists by row: `genres` indexes the genres, `style` the style that each mostly plays."""

    ids: list[str]
    names: list[str]
    genres: list[list[int]]
    style: NDArray[np.int64]


@dataclass(frozen=True)
class Tracks:
    """Tracks by row.

    Attributes:
        ids: Track ids.
        names: Track names.
        artist: Row of the track's artist, shape (n_tracks,).
        sound: Audio features in standard deviations, shape (n_tracks, n_features).
        attributes: Columns of `tracks.jsonl` from `popularity` to `tempo`, by name.
        play_weight: Relative odds of being played, shape (n_tracks,).
        tracks_of_genre: Rows of the tracks of each genre.
    """

    ids: list[str]
    names: list[str]
    artist: NDArray[np.int64]
    sound: NDArray[np.float64]
    attributes: dict[str, NDArray[np.generic]]
    play_weight: NDArray[np.float64]
    tracks_of_genre: list[NDArray[np.int64]]

    @property
    def duration_ms(self) -> NDArray[np.int64]:
        """Returns the durations in milliseconds, shape (n_tracks,)."""
        return self.attributes["duration_ms"].astype(np.int64)


def make_artists(rng: np.random.Generator, genres: Genres, n_tracks: int) -> Artists:
    """Returns about one artist for two tracks (v2: 10,657 for 21,608), each with one to eight genres."""
    count = max(1, round(n_tracks * 0.49))
    style = rng.integers(0, len(STYLES), count)
    n_genres = np.minimum(rng.geometric(0.31, count), 8)
    return Artists(
        ids=names.identifiers(rng, count),
        names=names.artist_names(rng, count),
        genres=[_genres_of(rng, genres, int(s), int(n)) for s, n in zip(style, n_genres, strict=True)],
        style=style,
    )


def _genres_of(rng: np.random.Generator, genres: Genres, style: int, count: int) -> list[int]:
    """Returns an artist's genres: its style's own, now and then one of a style of the same kind."""
    akin = [i for i, other in enumerate(STYLES) if other.kind == STYLES[style].kind]
    odds = np.where(genres.style == style, 1.0, np.where(np.isin(genres.style, akin), 0.04, 0.0))
    return [int(i) for i in rng.choice(len(odds), size=count, replace=False, p=odds / odds.sum())]


def make_tracks(rng: np.random.Generator, genres: Genres, artists: Artists, count: int) -> Tracks:
    """Returns the tracks, each sounding like its artist's style; a few of them hits."""
    artist = _artist_of_track(rng, len(artists.ids), count)
    style = artists.style[artist]
    sound = audio.sounds(rng, artist, style)
    fame = 0.35 * np.array([s.popularity for s in STYLES])[style] + 0.94 * rng.standard_normal(count)
    is_hit = np.zeros(count, dtype=bool)
    is_hit[np.argsort(-fame, kind="stable")[: max(1, min(_N_HITS, round(count * _MOST_HITS_SHARE)))]] = True
    attributes = audio.attributes(rng, sound, style, is_hit)
    return Tracks(
        ids=names.identifiers(rng, count),
        names=names.track_names(rng, artist.tolist()),
        artist=artist,
        sound=sound,
        attributes={"popularity": _popularity(rng, fame, is_hit), **attributes},
        play_weight=_play_weight(rng, is_hit, attributes["duration_ms"]),
        tracks_of_genre=_tracks_of_genre(genres, artists, artist),
    )


def _artist_of_track(rng: np.random.Generator, n_artists: int, n_tracks: int) -> NDArray[np.int64]:
    """Returns each track's artist: some artists have dozens of tracks, most have one, none has none."""
    productivity = rng.pareto(1.3, n_artists)
    rest = rng.choice(n_artists, size=n_tracks - n_artists, p=productivity / productivity.sum())
    return rng.permutation(np.concatenate([np.arange(n_artists), rest]))


def _popularity(
    rng: np.random.Generator, fame: NDArray[np.float64], is_hit: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Returns the popularity: hits above 70, as the storage classes of the real release have it."""
    ordinary = np.clip(29 + 17 * fame, 0, 70)
    hit = np.minimum(71 + rng.exponential(5.0, len(fame)), 100)
    return np.floor(np.where(is_hit, hit, ordinary)).astype(np.int64)


def _play_weight(
    rng: np.random.Generator, is_hit: NDArray[np.bool_], duration_ms: NDArray[np.generic]
) -> NDArray[np.float64]:
    spread = np.exp(np.where(is_hit, 0.12, 0.6) * rng.standard_normal(len(is_hit)))
    spread *= np.where(is_hit, 1.0, np.interp(duration_ms.astype(np.float64), *_PLAYS_BY_DURATION))
    of_hits, of_others = spread[is_hit].sum(), max(spread[~is_hit].sum(), 1e-9)
    weight: NDArray[np.float64] = spread * np.where(
        is_hit, _HIT_PLAYS_SHARE / of_hits, (1 - _HIT_PLAYS_SHARE) / of_others
    )
    return weight


def _tracks_of_genre(genres: Genres, artists: Artists, artist: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    rows: list[list[int]] = [[] for _ in genres.names]
    for row, owner in enumerate(artist.tolist()):
        for genre in artists.genres[owner]:
            rows[genre].append(row)
    return [np.array(of_genre, dtype=np.int64) for of_genre in rows]
