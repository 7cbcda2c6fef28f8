"""What the service needs from outside, as narrow interfaces."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.context import ListenerContext
from server.log.record import Outcome, PredictionRecord


class Predictor(Protocol):
    """A model over a catalogue, as `models.predictor.Predictor` is one."""

    name: str
    version: str
    digest: str
    description: str
    required_inputs: tuple[str, ...]
    metrics: dict[str, float]
    threshold: float
    track_ids: list[str]

    def knows(self, track_id: str) -> bool:
        """Returns whether the track is in the catalogue."""
        ...

    def predict(
        self,
        track_ids: Sequence[str],
        favourite_genres: Sequence[str],
        context: ListenerContext | None = None,
    ) -> NDArray[np.float64]:
        """Returns the play-through probabilities of tracks, (n_tracks,)."""
        ...

    def predict_all(
        self, favourite_genres: Sequence[str], context: ListenerContext | None = None
    ) -> NDArray[np.float64]:
        """Returns the play-through probabilities of the whole catalogue, (n_tracks,)."""
        ...

    def start(
        self, track_id: str, favourite_genres: tuple[str, ...], context: ListenerContext | None = None
    ) -> NDArray[np.float32]:
        """Begins one prediction, for `finish`; raises `models.UnknownTrackError`."""
        ...

    def finish(self, started: Sequence[NDArray[np.float32]]) -> list[float]:
        """Ends predictions that `start` began, in one forward pass."""
        ...

    def curves_of(
        self, track_ids: Sequence[str], probabilities: NDArray[np.float64], at_s: Sequence[float]
    ) -> NDArray[np.float64]:
        """Returns how likely each second of tracks is heard once they are started, (n_tracks, n_points)."""
        ...


class PredictionLog(Protocol):
    """Where logged predictions and their outcomes go; `server.log.experiment_log.ExperimentLog` is one."""

    def new_prediction_id(self) -> str:
        """Returns an id that nobody else has."""
        ...

    async def add(self, record: PredictionRecord) -> None:
        """Returns once the record is durable."""
        ...

    async def add_outcome(self, prediction_id: str, outcome: Outcome) -> None:
        """Returns once the outcome is durable."""
        ...


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that serves.

    Attributes:
        predictor: The model.
        loaded_at: When it was loaded (UTC).
    """

    predictor: Predictor
    loaded_at: datetime
