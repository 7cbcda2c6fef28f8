"""What the server does, apart from gRPC and MongoDB: pick a model, predict, rank, log."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np

from models.context import ListenerContext
from server.answers import Prediction, Ranking
from server.errors import UnknownModelError, UnknownTrackError
from server.experiment.assignment import Experiment
from server.experiment.records import Outcome, PredictionRecord
from server.ports import LoadedModel, PredictionLog, Predictor

ArmModels = Mapping[tuple[str, str], LoadedModel]
"""Models by name and version."""


class PredictionService:
    """Answers with the loaded models, and logs what the experiment asks for."""

    def __init__(
        self,
        models: Mapping[str, LoadedModel],
        default_model: str,
        experiment: Experiment,
        log: PredictionLog,
        arm_models: ArmModels,
    ) -> None:
        """Takes what it works with.

        Args:
            models: The loaded models by name.
            default_model: Name of the one that answers when a request names none.
            experiment: What PredictRandom draws from.
            log: Where PredictRandom's predictions go.
            arm_models: The model of each of the experiment's arms. Replaced together with the experiment.
        """
        self.models = models
        self.default_model = default_model
        self.experiment = experiment
        self.arm_models = arm_models
        self._log = log

    def predict(
        self,
        model: str,
        track_id: str,
        favourite_genres: Sequence[str],
        context: ListenerContext | None = None,
    ) -> Prediction:
        """Predicts one play.

        Args:
            model: Model to ask; empty for the default one.
            track_id: Track about to be played.
            favourite_genres: The listener's.
            context: What else is known about the listener.

        Returns:
            The prediction, not logged.

        Raises:
            UnknownModelError: No model of that name is loaded.
            UnknownTrackError: The catalogue lacks the track.
        """
        predictor = self._predictor(model)
        probability = _probability(predictor, track_id, favourite_genres, context)
        return Prediction(probability < predictor.threshold, probability, predictor.name, predictor.version)

    async def predict_random(
        self,
        track_id: str,
        favourite_genres: Sequence[str],
        listener_id: str | None = None,
        context: ListenerContext | None = None,
    ) -> Prediction:
        """Predicts one play with a model that the experiment draws, and returns once that is logged.

        Args:
            track_id: Track about to be played.
            favourite_genres: The listener's.
            listener_id: The listener, who then always gets the same arm; None draws anew.
            context: What else is known about the listener.

        Returns:
            The prediction with its id.

        Raises:
            UnknownTrackError: The catalogue lacks the track.
            SpoolFullError: The prediction cannot be logged now.
        """
        requested_at, started = datetime.now(UTC), time.perf_counter_ns()
        experiment = self.experiment  # it may be replaced at any time
        arm = experiment.choose(listener_id)
        predictor = self.arm_models[arm.model, arm.version].predictor
        probability = _probability(predictor, track_id, favourite_genres, context)
        record = PredictionRecord(
            prediction_id=self._log.new_prediction_id(),
            experiment=experiment.name,
            phase=experiment.phase,
            arm=arm.name,
            model=predictor.name,
            version=predictor.version,
            arm_probability=arm.probability,
            listener_id=listener_id,
            track_id=track_id,
            favourite_genres=tuple(favourite_genres),
            play_through_probability=probability,
            skipped=probability < predictor.threshold,
            requested_at=requested_at,
            latency_us=(time.perf_counter_ns() - started) // 1000,
        )
        await self._log.add(record)
        return Prediction(record.skipped, probability, record.model, record.version, record.prediction_id)

    def rank_tracks(
        self,
        model: str,
        track_ids: Sequence[str],
        favourite_genres: Sequence[str],
        context: ListenerContext | None = None,
        top_k: int = 0,
    ) -> Ranking:
        """Ranks tracks for one listener.

        Args:
            model: Model to ask; empty for the default one.
            track_ids: Tracks to rank, each once; none for the whole catalogue.
            favourite_genres: The listener's.
            context: What else is known about the listener.
            top_k: How many to return at most; 0 for all.

        Returns:
            The ranking; ties keep the order of `track_ids`.

        Raises:
            UnknownModelError: No model of that name is loaded.
        """
        predictor = self._predictor(model)
        asked = list(dict.fromkeys(track_ids)) or predictor.track_ids
        known = [track_id for track_id in asked if predictor.knows(track_id)]
        unknown = [track_id for track_id in asked if not predictor.knows(track_id)]
        probabilities = predictor.predict(known, favourite_genres, context) if known else np.empty(0)  # (n,)
        best = np.argsort(-probabilities, kind="stable")[: top_k or None]
        return Ranking(
            track_ids=[known[row] for row in best],
            probabilities=probabilities[best].tolist(),
            threshold=predictor.threshold,
            unknown_track_ids=unknown,
            model=predictor.name,
            version=predictor.version,
        )

    async def record_outcome(self, prediction_id: str, skipped: bool, listened_ms: int) -> None:
        """Joins what really happened to a logged prediction; an equal outcome may come again.

        Args:
            prediction_id: The prediction.
            skipped: Whether the listener skipped the track.
            listened_ms: How long the listener heard it, in milliseconds.

        Raises:
            UnknownPredictionError: No such prediction was logged. While MongoDB is away, nobody can tell.
            OutcomeConflictError: Another outcome was recorded first.
            SpoolFullError: The outcome cannot be kept now.
        """
        await self._log.add_outcome(prediction_id, Outcome(skipped, listened_ms, datetime.now(UTC)))

    def _predictor(self, model: str) -> Predictor:
        try:
            return self.models[model or self.default_model].predictor
        except KeyError:
            raise UnknownModelError(model) from None


def _probability(
    predictor: Predictor, track_id: str, favourite_genres: Sequence[str], context: ListenerContext | None
) -> float:
    if not predictor.knows(track_id):
        raise UnknownTrackError(track_id)
    return float(predictor.predict((track_id,), favourite_genres, context)[0])
