"""What the context's features need of the catalogue's tracks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from models.features.inputs import InputEncoder

_BITS = 64


@dataclass(frozen=True, eq=False)
class TrackViews:
    """What the context features need of tracks, one row a track.

    Attributes:
        audio: Audio attributes, standardised, 0 where unknown, (n_tracks, n_audio) float32.
        genres: A bit for every cluster, set where the artist has a genre of it, (n_tracks, n_words) uint64.
    """

    audio: NDArray[np.float32]
    genres: NDArray[np.uint64]

    def share_genre(self, candidates: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Returns which tracks have a cluster of genres in common, (n, n_candidates, n_others).

        Args:
            candidates: Rows of tracks, (n, n_candidates).
            others: Rows of tracks to compare them with, (n, n_others).
        """
        shared = np.zeros((*candidates.shape, others.shape[1]), dtype=bool)
        for word in self.genres.T:  # one at a time: all of them would be the largest thing in memory
            shared |= (word[candidates][:, :, None] & word[others][:, None, :]) != 0
        return shared


def track_views(inputs: "InputEncoder", tracks: pd.DataFrame) -> TrackViews:
    """Returns what context features need of tracks: their audio block on unit scale and their clusters."""
    views = empty_views(inputs, len(tracks))
    for some, rows in inputs.chunks(tracks):
        fill_views(views, some, inputs, rows)
    return views


def empty_views(inputs: "InputEncoder", n_tracks: int) -> TrackViews:
    """Returns room for what context features need of tracks, for `fill_views`."""
    n_words = -(-inputs.genres.n_clusters // _BITS)
    audio = np.empty((n_tracks, len(inputs.audio)), dtype=np.float32)
    return TrackViews(audio, np.empty((n_tracks, n_words), dtype=np.uint64))


def fill_views(views: TrackViews, some: slice, inputs: "InputEncoder", rows: NDArray[np.float64]) -> None:
    """Fills in some tracks, given their rows from `InputEncoder.chunks`."""
    views.audio[some] = np.nan_to_num(inputs.unit_scale(rows))
    views.genres[some] = pack_clusters(rows[:, : inputs.genres.n_clusters])


def pack_clusters(clusters: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Returns a bit for every cluster that is not 0, (n_tracks, n_words), given (n_tracks, n_clusters)."""
    padding = -clusters.shape[1] % _BITS
    bits = np.packbits(np.pad(clusters != 0, ((0, 0), (0, padding))), axis=1)
    return bits.view(np.uint64)
