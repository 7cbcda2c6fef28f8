"""What the context's features need of the catalogue's tracks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from models.features.inputs import InputEncoder


@dataclass(frozen=True, eq=False)
class TrackViews:
    """What the context features need of tracks, one row a track.

    Attributes:
        audio: Audio attributes, standardised, 0 where unknown, (n_tracks, n_audio) float32.
        clusters: 1 where the artist has a genre of the cluster, else 0, (n_tracks, n_clusters) float32.
    """

    audio: NDArray[np.float32]
    clusters: NDArray[np.float32]


def track_views(inputs: "InputEncoder", tracks: pd.DataFrame) -> TrackViews:
    """Returns what context features need of tracks: their audio block on unit scale and their clusters."""
    views = empty_views(inputs, len(tracks))
    for some, rows in inputs.chunks(tracks):
        fill_views(views, some, inputs, rows)
    return views


def empty_views(inputs: "InputEncoder", n_tracks: int) -> TrackViews:
    """Returns room for what context features need of tracks, for `fill_views`."""
    widths = (len(inputs.audio), inputs.genres.n_clusters)
    return TrackViews(*(np.empty((n_tracks, width), dtype=np.float32) for width in widths))


def fill_views(views: TrackViews, some: slice, inputs: "InputEncoder", rows: NDArray[np.float64]) -> None:
    """Fills in some tracks, given their rows from `InputEncoder.chunks`."""
    views.audio[some] = np.nan_to_num(inputs.unit_scale(rows))
    views.clusters[some] = rows[:, : inputs.genres.n_clusters]
