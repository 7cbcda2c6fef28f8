"""The predictor: a model over a catalogue, in NumPy, with all that no request changes done at load."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from data import Catalogue
from models.artifact import Artifact, ArtifactError, load
from models.context import ListenerContext
from models.first_layer import FirstLayer, YieldControl, no_op
from models.forward_pass import ForwardPass

# A context's features take 3 kB a track: of a whole catalogue, tens of megabytes.
_ROWS_AT_ONCE = 1024


class UnknownTrackError(Exception):
    """A prediction was asked for tracks that are not in the catalogue.

    Attributes:
        track_ids: The unknown ones, in the order asked.
    """

    def __init__(self, track_ids: Sequence[str]) -> None:
        """Stores the ids; the message names the first few."""
        shown = ", ".join(map(repr, track_ids[:3])) + (", …" if len(track_ids) > 3 else "")
        super().__init__(f"unknown track: {shown}")
        self.track_ids = tuple(track_ids)


class Predictor:
    """Predicts how likely listeners hear tracks out; safe to share between threads.

    A prediction adds up the first layer's parts, most of them computed before, and runs the small rest of the
    network.
    """

    def __init__(self, artifact: Artifact, catalogue: Catalogue, yield_control: YieldControl = no_op) -> None:
        """Computes the track parts of the whole catalogue.

        Args:
            artifact: Trained model.
            catalogue: Tracks to predict for; has the audio columns that the model uses.
            yield_control: Called after every chunk of the catalogue, to let other work go on.
        """
        manifest = artifact.manifest
        self.name = manifest.name
        self.version = manifest.version
        self.digest = artifact.digest
        self.data_digest = manifest.data_digest
        self.split = manifest.split
        self.refitted = manifest.refitted
        self.description = manifest.description
        self.required_inputs: tuple[str, ...] = manifest.required_inputs
        self.metrics: dict[str, float] = dict(manifest.metrics)
        self.threshold = manifest.threshold
        self.track_ids = catalogue.track_ids
        self._row_of = catalogue.row_of
        first, *hidden, (last_weight, last_bias) = artifact.layers
        self._first = FirstLayer(artifact.inputs, first, catalogue, yield_control)
        # The softmax of two outputs is the logistic function of their difference; class 1 is played through.
        last = last_weight[1] - last_weight[0], last_bias[1] - last_bias[0]  # (n_in,) and ()
        self._forward = ForwardPass(hidden, last, manifest.calibration)
        self._durations_s = _durations_s(catalogue)
        self._skip_times = artifact.skip_times

    @property
    def uses_context(self) -> bool:
        """Returns whether a prediction depends on the listener's context."""
        return self._first.uses_context

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
            favourite_genres: The listener's; order, case, repeats and names that mean nothing do not count.
            context: What else is known about the listener; ignored by a model that has no use for it.

        Returns:
            Probabilities in the order of `track_ids`, (n_tracks,), never NaN.

        Raises:
            UnknownTrackError: Some tracks are not in the catalogue.
        """
        rows, listener = self._rows(track_ids), self._first.listener_part(tuple(favourite_genres))
        shifts = self._first.shifts(rows, listener, context)
        return self._forward(self._first.of(rows, listener, context), shifts)

    def predict_all(
        self, favourite_genres: Sequence[str], context: ListenerContext | None = None
    ) -> NDArray[np.float64]:
        """Returns what `predict` would of the whole catalogue, in the order of `track_ids`."""
        first, listener = self._first, self._first.listener_part(tuple(favourite_genres))
        shifts = first.shifts(slice(None), listener, context)
        if context is None or not first.uses_context:
            return self._forward.over(first.track_parts, listener.sums, shifts)
        probabilities = np.empty(len(self.track_ids))
        for start in range(0, len(probabilities), _ROWS_AT_ONCE):
            rows = np.arange(start, min(start + _ROWS_AT_ONCE, len(probabilities)))
            some = None if shifts is None else shifts[rows]
            probabilities[rows] = self._forward(first.of(rows, listener, context), some)
        return probabilities

    def predict_one(
        self, track_id: str, favourite_genres: tuple[str, ...], context: ListenerContext | None = None
    ) -> float:
        """Returns what `predict` would of one track, in a fraction of the time.

        Raises:
            UnknownTrackError: The track is not in the catalogue.
        """
        row = self._row_of.get(track_id)
        if row is None:
            raise UnknownTrackError((track_id,))
        first, forward = self._first, self._forward
        listener = first.listener_part(favourite_genres)
        logit = forward.logits(first.one(row, listener, context))
        return forward.probability(float(logit), first.shift_of(row, listener, context))

    def curves_of(
        self, track_ids: Sequence[str], probabilities: NDArray[np.float64], at_s: Sequence[float]
    ) -> NDArray[np.float64]:
        """Returns how likely each second of tracks is heard once they are started, (n_tracks, n_points).

        Args:
            track_ids: Tracks.
            probabilities: Their play-through probabilities, from `predict`.
            at_s: Seconds from the start of a track, at least 0.
        """
        durations_s = self._durations_s[self._rows(track_ids)]
        return self._skip_times.listening_curves(probabilities, durations_s, at_s)

    def _rows(self, track_ids: Sequence[str]) -> NDArray[np.int64]:
        try:
            return np.fromiter(map(self._row_of.__getitem__, track_ids), np.int64, len(track_ids))
        except KeyError:
            unknown = [track_id for track_id in track_ids if track_id not in self._row_of]
            raise UnknownTrackError(unknown) from None


def _durations_s(catalogue: Catalogue) -> NDArray[np.float64]:
    """Returns the tracks' durations in seconds, NaN where the catalogue does not say."""
    if "duration_ms" not in catalogue.tracks:
        return np.full(len(catalogue.tracks), np.nan)
    return catalogue.tracks["duration_ms"].to_numpy(dtype=np.float64, na_value=np.nan) / 1000


def load_predictor(path: Path, catalogue: Catalogue, yield_control: YieldControl = no_op) -> Predictor:
    """Returns the predictor of an artifact.

    Args:
        path: Folder of one model version.
        catalogue: Tracks to predict for.
        yield_control: As for `Predictor`.

    Raises:
        ArtifactError: The artifact is broken, or needs track attributes that the catalogue lacks.
    """
    artifact = load(path)
    missing = [column for column in artifact.inputs.audio if column not in catalogue.tracks]
    if missing:
        raise ArtifactError(path, f"the catalogue lacks what the model needs: {', '.join(missing)}")
    texts = [column for column in artifact.inputs.audio if not is_numeric_dtype(catalogue.tracks[column])]
    if texts:
        raise ArtifactError(path, f"the model needs numbers where the catalogue has none: {', '.join(texts)}")
    return Predictor(artifact, catalogue, yield_control)
