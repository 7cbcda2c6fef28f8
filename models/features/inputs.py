"""A network's standardised inputs: the track's block first, then the listener's."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.features.genres import GenreEncoder

# Far outside any real attribute; keeps an absurd value in a catalogue from overflowing the network.
_LIMIT = 1e4


@dataclass(frozen=True, eq=False)
class InputEncoder:
    """Encodes tracks and listeners; training and serving share it, so that they cannot drift apart.

    The track's block is one input a genre cluster (1 if the artist has a genre of it, else 0), then the audio
    attributes. The listener's block is one input a cluster for the favourite genres.

    Attributes:
        genres: Genre encoder.
        audio: Track columns used as they are, in order.
        mean: Mean of every input over the training part, (n_inputs,).
        scale: Standard deviation of every input over the training part, (n_inputs,); 1 where it is constant.
    """

    genres: GenreEncoder
    audio: tuple[str, ...]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @property
    def n_track_inputs(self) -> int:
        """Returns the width of the track's block."""
        return self.genres.n_clusters + len(self.audio)

    @property
    def n_inputs(self) -> int:
        """Returns the width of both blocks."""
        return self.n_track_inputs + self.genres.n_clusters

    def encode_tracks(self, tracks: pd.DataFrame) -> NDArray[np.float32]:
        """Returns the standardised track block, (n_tracks, n_track_inputs); missing attributes become 0.

        Args:
            tracks: Rows of a catalogue: `genres` and the audio columns.
        """
        block = slice(0, self.n_track_inputs)
        return _standardise(raw_tracks(self.genres, self.audio, tracks), self.mean[block], self.scale[block])

    def encode_listener(self, favourite_genres: Iterable[str]) -> NDArray[np.float32]:
        """Returns the standardised listener block, (n_clusters,)."""
        block = slice(self.n_track_inputs, self.n_inputs)
        return _standardise(raw_listener(self.genres, favourite_genres), self.mean[block], self.scale[block])


def raw_tracks(genres: GenreEncoder, audio: tuple[str, ...], tracks: pd.DataFrame) -> NDArray[np.float64]:
    """Returns the track block before standardisation, (n_tracks, n_clusters + n_audio); NaN where unknown."""
    rows = np.zeros((len(tracks), genres.n_clusters + len(audio)))
    clusters_of: dict[tuple[str, ...], list[int]] = {}  # an artist has many tracks
    for row, names in enumerate(map(tuple, tracks["genres"])):
        clusters = clusters_of.get(names)
        if clusters is None:
            clusters = clusters_of[names] = genres.clusters(names)
        rows[row, clusters] = 1
    for column, name in enumerate(audio, start=genres.n_clusters):
        values = tracks[name].to_numpy(dtype=np.float64, na_value=np.nan)
        rows[:, column] = np.where(np.isfinite(values), values, np.nan)
    return rows


def raw_listener(genres: GenreEncoder, favourite_genres: Iterable[str]) -> NDArray[np.float64]:
    """Returns the listener block before standardisation, (n_clusters,)."""
    row = np.zeros(genres.n_clusters)
    row[genres.clusters(favourite_genres)] = 1
    return row


def _standardise(
    raw: NDArray[np.float64], mean: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Returns (raw - mean) / scale; a missing value becomes the training part's mean, which is 0."""
    scaled = np.nan_to_num((raw - mean) / scale, nan=0.0)
    return np.clip(scaled, -_LIMIT, _LIMIT).astype(np.float32)
