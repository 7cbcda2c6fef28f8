"""A network's standardised inputs: the track's block first, then the listener's, then the context's."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.features.context_encoder import ContextEncoder
from models.features.genre_taste import GenreTaste
from models.features.genre_tfidf import GenreEncoder
from models.features.known_favourites import KnownFavourites
from models.features.normal_scores import NormalScores, fit_normal_scores

# Far outside any real attribute; keeps an absurd value in a catalogue from overflowing the network.
_LIMIT = 1e4
# Tracks of a catalogue that are encoded in one go. All of them together would be the largest thing in memory,
# and a server that loads a model beside others lets calls through after so many.
_TRACKS_AT_ONCE = 128


@dataclass(frozen=True)
class BlockWeights:
    """Size of each block's inputs: what is larger is learnt sooner and penalised less by weight decay.

    Attributes:
        track_genres: Of a track's cluster, which is this or 0.
        audio: Standard deviation of an audio attribute's score; unused by a model without audio.
        listener_genres: Of a listener's cluster, which is this or 0.
    """

    track_genres: float
    audio: float
    listener_genres: float


@dataclass(frozen=True, eq=False)
class InputEncoder:
    """Encodes tracks and listeners; training and serving share it, so that they cannot drift apart.

    The track's block is one input a genre cluster (1 if the artist has a genre of it, else 0), then the audio
    attributes. The listener's block is one input a cluster for the favourite genres. A contextual model has a
    third block, see `ContextEncoder`; the first two are the part of it that needs no context.

    Attributes:
        genres: Genre encoder.
        audio: Track columns used as they are, in order.
        mean: What is taken from every input of the first two blocks, (n_inputs - n_context_inputs,).
        scale: What every such input is then divided by, (n_inputs - n_context_inputs,).
        scores: Map of the audio attributes onto a normal scale before that; None: they stay as they are.
        context: Encoder of the third block; None: the model has none.
        known: Favourite genres that were trained on: the listener's block of any others is that of none.
            None: every genre counts, known listener or not.
        taste: What favourite genres tell of other listeners; None: nothing.
    """

    genres: GenreEncoder
    audio: tuple[str, ...]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    scores: NormalScores | None = None
    context: ContextEncoder | None = None
    known: KnownFavourites | None = None
    taste: GenreTaste | None = None

    @property
    def n_track_inputs(self) -> int:
        """Returns the width of the track's block."""
        return self.genres.n_clusters + len(self.audio)

    @property
    def n_inputs(self) -> int:
        """Returns the width of all blocks."""
        return len(self.mean) + self.n_context_inputs

    @property
    def n_context_inputs(self) -> int:
        """Returns the width of the context's block."""
        return 0 if self.context is None else self.context.n_inputs

    def encode_tracks(self, tracks: pd.DataFrame) -> NDArray[np.float32]:
        """Returns the standardised track block, (n_tracks, n_track_inputs); missing attributes become 0."""
        encoded = np.empty((len(tracks), self.n_track_inputs), dtype=np.float32)
        for some, rows in self.chunks(tracks):
            encoded[some] = self.track_block(rows)
        return encoded

    def chunks(self, tracks: pd.DataFrame) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yields what `raw_chunks` does, with the audio attributes on their normal scale."""
        for some, rows in raw_chunks(self.genres, self.audio, tracks):
            if self.scores is not None:
                rows[:, self.genres.n_clusters :] = self.scores.transform(rows[:, self.genres.n_clusters :])
            yield some, rows

    def track_block(self, rows: NDArray[np.float64]) -> NDArray[np.float32]:
        """Returns the standardised track block of rows from `chunks`, (n_tracks, n_track_inputs)."""
        block = slice(0, self.n_track_inputs)
        return _standardise(rows, self.mean[block], self.scale[block])

    def unit_scale(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the audio attributes of rows from `chunks` on unit scale, (n_tracks, n_audio)."""
        audio = rows[:, self.genres.n_clusters :]
        if self.scores is not None:
            return audio
        block = slice(self.genres.n_clusters, self.n_track_inputs)
        return np.clip((audio - self.mean[block]) / self.scale[block], -_LIMIT, _LIMIT)

    def encode_listener(self, favourite_genres: Sequence[str]) -> NDArray[np.float32]:
        """Returns the standardised listener block, (n_clusters,)."""
        block = slice(self.n_track_inputs, len(self.mean))
        names = favourite_genres if self.knows(favourite_genres) else ()
        return _standardise(raw_listener(self.genres, names), self.mean[block], self.scale[block])

    def knows(self, favourite_genres: Sequence[str]) -> bool:
        """Returns whether a listener with these favourites was trained on; order and spelling do not count.

        Nor do names that mean nothing. A model that tells no strangers from others knows everyone.
        """
        return self.known is None or self.known.has(self.genres.meaningful(favourite_genres))


def raw_chunks(
    genres: GenreEncoder, audio: tuple[str, ...], tracks: pd.DataFrame
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yields which tracks, and their block before standardisation, NaN where unknown; a few at a time."""
    clusters_of: dict[tuple[str, ...], list[int]] = {}  # an artist has many tracks
    for start in range(0, len(tracks), _TRACKS_AT_ONCE):
        some = slice(start, start + _TRACKS_AT_ONCE)
        part = tracks.iloc[some]
        rows = np.zeros((len(part), genres.n_clusters + len(audio)))
        found = []
        for names in map(tuple, part["genres"]):
            clusters = clusters_of.get(names)
            if clusters is None:
                clusters = clusters_of[names] = genres.clusters(names)
            found.append(clusters)
        n_found = [len(clusters) for clusters in found]
        rows[np.repeat(np.arange(len(rows)), n_found), list(chain.from_iterable(found))] = 1
        rows[:, genres.n_clusters :] = raw_audio(audio, part)
        yield some, rows


def raw_audio(audio: tuple[str, ...], tracks: pd.DataFrame) -> NDArray[np.float64]:
    """Returns the audio attributes as they are, (n_tracks, n_audio); NaN where unknown."""
    attributes = np.empty((len(tracks), len(audio)))
    for column, name in enumerate(audio):
        values = tracks[name].to_numpy(dtype=np.float64, na_value=np.nan)
        attributes[:, column] = np.where(np.isfinite(values), values, np.nan)
    return attributes


def raw_listener(genres: GenreEncoder, favourite_genres: Iterable[str]) -> NDArray[np.float64]:
    """Returns the listener block before standardisation, (n_clusters,)."""
    row = np.zeros(genres.n_clusters)
    row[genres.clusters(favourite_genres)] = 1
    return row


def _standardise(
    raw: NDArray[np.float64], mean: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Returns (raw - mean) / scale; a missing value becomes the training part's mean, which is 0."""
    scaled = raw - mean  # the only copy here: of a catalogue, each takes a while
    scaled /= scale
    np.nan_to_num(scaled, copy=False, nan=0.0)
    return np.clip(scaled, -_LIMIT, _LIMIT, out=scaled).astype(np.float32)


def fit_inputs(
    genres: GenreEncoder, audio: tuple[str, ...], tracks: pd.DataFrame, plays: pd.DataFrame
) -> InputEncoder:
    """Fits the standardisation of every input on the training part.

    Args:
        genres: Fitted genre encoder.
        audio: Track columns to use.
        tracks: The catalogue's row of each play's track, in the plays' order.
        plays: Plays of the training part: `favourite_genres`.
    """
    from sklearn.preprocessing import StandardScaler

    listeners = [raw_listener(genres, favourites) for favourites in plays["favourite_genres"]]
    blocks = [block for _, block in raw_chunks(genres, audio, tracks)]
    raw = np.hstack([np.vstack(blocks), np.vstack(listeners)])  # (n_plays, n_inputs)
    # A column of nothing but NaN has no mean; any will do, as its values encode to 0 anyway.
    raw[:, np.isnan(raw).all(axis=0)] = 0
    scaler = StandardScaler().fit(raw)
    return InputEncoder(genres, audio, scaler.mean_, scaler.scale_)


def fit_weighted_inputs(
    genres: GenreEncoder, audio: tuple[str, ...], tracks: pd.DataFrame, weights: BlockWeights
) -> InputEncoder:
    """Fits inputs without context that are weighted by block instead of standardised one by one.

    Standardising makes a genre that one play in a thousand has thirty times as large as a common one, and a
    network overfits to such plays. Audio attributes go through their quantiles instead.

    Args:
        genres: Fitted genre encoder.
        audio: Track columns to use.
        tracks: The catalogue's row of each play's track of the training part.
        weights: Size of each block.
    """
    # The audio alone: laid out for every play, the clusters would be the widest matrix of the whole run.
    values = raw_audio(audio, tracks)
    scale = np.repeat(
        [1 / weights.track_genres, 1 / weights.audio if audio else 1.0, 1 / weights.listener_genres],
        [genres.n_clusters, len(audio), genres.n_clusters],
    )
    return InputEncoder(genres, audio, np.zeros(len(scale)), scale, fit_normal_scores(values))
