"""What the server does, apart from gRPC and MongoDB: pick a model, predict, rank, log."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import models
from models.context import ListenerContext
from server.answers import Prediction, Ranking
from server.coalescing import Coalescer
from server.errors import UnknownTrackError
from server.experiment.assignment import Experiment
from server.library import Library
from server.log.record import Outcome, PredictionRecord
from server.ports import LoadedModel, PredictionLog
from server.top_k import best_rows

ArmModels = Mapping[tuple[str, str], LoadedModel]
"""Models by name and version."""


class PredictionService:
    """Answers with the loaded models, and logs what the experiment asks for.

    Attributes:
        library: The models; to assign another one swaps all of them in one step.
        experiment: What PredictRandom draws from.
        arm_models: The model of each of the experiment's arms. Replaced together with the experiment.
    """

    def __init__(
        self,
        library: Library,
        experiment: Experiment,
        log: PredictionLog,
        arm_models: ArmModels,
        coalescer: Coalescer,
    ) -> None:
        """Takes what it works with.

        Args:
            library: The loaded models.
            experiment: What PredictRandom draws from.
            log: Where PredictRandom's predictions go.
            arm_models: The model of each of the experiment's arms.
            coalescer: Computes the predictions that wait together.
        """
        self.library = library
        self.experiment = experiment
        self.arm_models = arm_models
        self._log = log
        self._coalescer = coalescer

    async def predict(
        self,
        model: str,
        track_id: str,
        favourite_genres: tuple[str, ...],
        context: ListenerContext | None = None,
        version: str = "",
    ) -> Prediction:
        """Predicts one play.

        Args:
            model: Model to ask; empty for the default one.
            track_id: Track about to be played.
            favourite_genres: The listener's.
            context: What else is known about the listener.
            version: Version to ask; empty for the one that serves.

        Returns:
            The prediction, not logged.

        Raises:
            UnknownModelError: No such model is loaded.
            UnknownTrackError: The catalogue lacks the track.
        """
        predictor = self.library.find(model, version).predictor
        try:
            probability = await self._coalescer.predict(predictor, track_id, favourite_genres, context)
        except models.UnknownTrackError:
            raise UnknownTrackError(track_id) from None
        return Prediction(probability < predictor.threshold, probability, predictor.name, predictor.version)

    async def predict_random(
        self,
        track_id: str,
        favourite_genres: tuple[str, ...],
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
        try:
            probability = await self._coalescer.predict(predictor, track_id, favourite_genres, context)
        except models.UnknownTrackError:
            raise UnknownTrackError(track_id) from None
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
            favourite_genres=favourite_genres,
            play_through_probability=probability,
            skipped=probability < predictor.threshold,
            requested_at=requested_at,
            latency_us=(time.perf_counter_ns() - started) // 1000,
            digest=predictor.digest,
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
        listening_curve_at_s: Sequence[float] = (),
    ) -> Ranking:
        """Ranks tracks for one listener.

        Args:
            model: Model to ask; empty for the default one.
            track_ids: Tracks to rank, each once; none for the whole catalogue.
            favourite_genres: The listener's.
            context: What else is known about the listener.
            top_k: How many to return at most; 0 for all.
            listening_curve_at_s: Seconds from a track's start at which to give its curve; none: none.

        Returns:
            The ranking; ties keep the order of `track_ids`.

        Raises:
            UnknownModelError: No model of that name is loaded.
        """
        predictor = self.library.find(model).predictor
        unknown: list[str] = []
        if track_ids:
            known = list(dict.fromkeys(track_ids))
            try:
                probabilities = predictor.predict(known, favourite_genres, context)
            except models.UnknownTrackError as error:
                unknown = list(error.track_ids)
                known = [track_id for track_id in known if predictor.knows(track_id)]
                probabilities = predictor.predict(known, favourite_genres, context)
        else:
            known = predictor.track_ids
            probabilities = predictor.predict_all(favourite_genres, context)  # (n_tracks,)
        best = best_rows(probabilities, top_k)
        ranked = [known[row] for row in best.tolist()]
        curves: list[list[float]] = []
        if listening_curve_at_s and ranked:
            curves = predictor.curves_of(ranked, probabilities[best], listening_curve_at_s).tolist()
        return Ranking(
            track_ids=ranked,
            probabilities=probabilities[best].tolist(),
            threshold=predictor.threshold,
            unknown_track_ids=unknown,
            model=predictor.name,
            version=predictor.version,
            listening_curves=curves,
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
