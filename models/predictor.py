"""The predictor: a model over a catalogue, in NumPy, with all that no request changes done at load."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data import Catalogue
from models.artifact import Artifact, ArtifactError, load
from models.context import ListenerContext
from models.features import track_views
from models.features.context import genre_share

_LISTENERS_KEPT = 4096


class UnknownTrackError(Exception):
    """A prediction was asked for tracks that are not in the catalogue.

    Attributes:
        track_ids: The unknown ones, in the order asked.
    """

    def __init__(self, track_ids: Sequence[str]) -> None:
        """Names the first few of the unknown tracks."""
        shown = ", ".join(map(repr, track_ids[:3])) + (", …" if len(track_ids) > 3 else "")
        super().__init__(f"unknown track: {shown}")
        self.track_ids = tuple(track_ids)


class Predictor:
    """Predicts how likely listeners hear tracks out; safe to share between threads.

    The first linear layer splits into a track's part, kept for every track, and a listener's part, kept for
    the listeners seen last; a prediction adds the two, and the context's part where the model has one, and
    runs the small rest of the network.
    """

    def __init__(self, artifact: Artifact, catalogue: Catalogue) -> None:
        """Computes the track parts of the whole catalogue.

        Args:
            artifact: Trained model.
            catalogue: Tracks to predict for; has the audio columns that the model uses.
        """
        manifest = artifact.manifest
        self.name = manifest.name
        self.version = manifest.version
        self.description = manifest.description
        self.required_inputs: tuple[str, ...] = manifest.required_inputs
        self.metrics: dict[str, float] = dict(manifest.metrics)
        self.threshold = manifest.threshold
        self.track_ids = catalogue.track_ids
        self._row_of = catalogue.row_of
        self._inputs = artifact.inputs
        (weight, bias), *hidden, (last_weight, last_bias) = artifact.layers
        n_track_inputs = artifact.inputs.n_track_inputs
        n_without_context = artifact.inputs.n_inputs - artifact.inputs.n_context_inputs
        self._listener_weight = np.ascontiguousarray(weight[:, n_track_inputs:n_without_context])
        self._context = artifact.inputs.context
        self._context_weight = np.ascontiguousarray(weight[:, n_without_context:].T)  # (n_context, n_first)
        self._bias = bias
        self._hidden = [(np.ascontiguousarray(w.T), b) for w, b in hidden]  # (n_in, n_out), (n_out,)
        # The softmax of two outputs is the logistic function of their difference; class 1 is played through.
        # The temperature divides that difference, so it goes into the weights.
        per_degree = np.float32(1 / manifest.temperature)
        self._last = (
            (last_weight[1] - last_weight[0]) * per_degree,  # (n_in,)
            (last_bias[1] - last_bias[0]) * per_degree,  # ()
        )
        tracks = artifact.inputs.encode_tracks(catalogue.tracks)
        self._track_parts = tracks @ weight[:, :n_track_inputs].T  # (n_tracks, n_first)
        self._track_views = None if self._context is None else track_views(artifact.inputs, catalogue.tracks)
        self._durations_s = _durations_s(catalogue)
        self._skip_times = artifact.skip_times
        self._listener_part = lru_cache(_LISTENERS_KEPT)(self._compute_listener_part)

    @property
    def uses_context(self) -> bool:
        """Returns whether a prediction depends on the listener's context."""
        return self._context is not None

    def knows(self, track_id: str) -> bool:
        """Returns whether the track is in the catalogue."""
        return track_id in self._row_of

    def predict(
        self,
        track_ids: Sequence[str],
        favourite_genres: Sequence[str],
        context: ListenerContext | None = None,
    ) -> NDArray[np.float64]:
        """Returns the play-through probabilities of tracks for one listener.

        Args:
            track_ids: Tracks, in any order, repeated or not.
            favourite_genres: The listener's; a genre never seen maps to its nearest cluster or to nothing.
            context: What else is known about the listener; ignored by a model that has no use for it.

        Returns:
            Probabilities in the order of `track_ids`, (n_tracks,), never NaN.

        Raises:
            UnknownTrackError: Some tracks are not in the catalogue.
        """
        rows = self._rows(track_ids)
        listener_part = self._listener_part(tuple(favourite_genres))  # (n_first,)
        values = self._track_parts[rows]  # (n, n_first), a copy
        if context is not None and self._context is not None and self._track_views is not None:
            block = self._context.encode(self._track_views, rows, self._row_of, context)  # (n, n_context)
            values += block @ self._context_weight
            listener_part = listener_part * np.float32(genre_share(context))
        values += listener_part + self._bias
        np.maximum(values, 0, out=values)
        for weight, bias in self._hidden:
            values = values @ weight + bias
            np.maximum(values, 0, out=values)
        weight, bias = self._last
        logits: NDArray[np.float64] = (values @ weight + bias).astype(np.float64)  # (n,)
        return np.exp(-np.logaddexp(0.0, -logits))

    def listening_curves(
        self,
        track_ids: Sequence[str],
        favourite_genres: Sequence[str],
        context: ListenerContext | None,
        at_s: Sequence[float],
    ) -> NDArray[np.float64]:
        """Returns how likely each second of tracks is heard once they are started.

        Args:
            track_ids: Tracks.
            favourite_genres: The listener's.
            context: What else is known about the listener.
            at_s: Seconds from the start of a track, at least 0.

        Returns:
            P(second t is heard | started), (n_tracks, n_points); see `SkipTimes.listening_curves`.

        Raises:
            UnknownTrackError: Some tracks are not in the catalogue.
        """
        return self.curves_of(track_ids, self.predict(track_ids, favourite_genres, context), at_s)

    def curves_of(
        self, track_ids: Sequence[str], probabilities: NDArray[np.float64], at_s: Sequence[float]
    ) -> NDArray[np.float64]:
        """Returns the curves of tracks whose probabilities `predict` has given, (n_tracks, n_points)."""
        durations_s = self._durations_s[self._rows(track_ids)]
        return self._skip_times.listening_curves(probabilities, durations_s, at_s)

    def _rows(self, track_ids: Sequence[str]) -> NDArray[np.int64]:
        try:
            return np.array([self._row_of[track_id] for track_id in track_ids], dtype=np.int64)
        except KeyError:
            unknown = [track_id for track_id in track_ids if track_id not in self._row_of]
            raise UnknownTrackError(unknown) from None

    def _compute_listener_part(self, favourite_genres: tuple[str, ...]) -> NDArray[np.float32]:
        return self._listener_weight @ self._inputs.encode_listener(favourite_genres)


def _durations_s(catalogue: Catalogue) -> NDArray[np.float64]:
    """Returns the tracks' durations in seconds, NaN where the catalogue does not say."""
    if "duration_ms" not in catalogue.tracks:
        return np.full(len(catalogue.tracks), np.nan)
    return catalogue.tracks["duration_ms"].to_numpy(dtype=np.float64, na_value=np.nan) / 1000


def load_predictor(path: Path, catalogue: Catalogue) -> Predictor:
    """Rebuilds a predictor from its artifact.

    Args:
        path: Folder of one model version.
        catalogue: Tracks to predict for.

    Returns:
        The predictor.

    Raises:
        ArtifactError: The artifact is broken, or needs track attributes that the catalogue lacks.
    """
    artifact = load(path)
    missing = [column for column in artifact.inputs.audio if column not in catalogue.tracks]
    if missing:
        raise ArtifactError(path, f"the catalogue lacks what the model needs: {', '.join(missing)}")
    return Predictor(artifact, catalogue)
