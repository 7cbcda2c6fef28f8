"""What the server does, apart from gRPC and MongoDB: ask a model, predict, rank, plan, log."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import models
from cache_client.prefetch.play import Play
from cache_client.prefetch.score import ScoreWeights
from models import ListenerContext, Predictor
from server.catalogue_tracks import CatalogueTracks
from server.errors import InvalidRequestError, UnknownTrackError
from server.experiment.assignment import Experiment
from server.loaded_models import LoadedModels
from server.log.record import Outcome, PredictionRecord
from server.planning import CompletePlay, PlannedPlay, plan_play, with_catalogue
from server.ranking import Ranking, rank


class Prediction(NamedTuple):
    """One prediction.

    Attributes:
        skipped: Whether the probability is below the model's threshold.
        play_through_probability: In [0, 1].
        model: Model that answered.
        version: Version of that model.
        prediction_id: Names the logged prediction; empty when it was not logged.
    """

    skipped: bool
    play_through_probability: float
    model: str
    version: str
    prediction_id: str = ""


class PredictionLog(Protocol):
    """Where logged predictions and their outcomes go; `server.log.experiment_log.ExperimentLog` is one."""

    def new_prediction_id(self, request_id: str = "") -> str:
        """Returns an id that nobody else has: the same one for the same request id, unless that is empty."""
        ...

    async def add(self, record: PredictionRecord, *, retried: bool = False) -> PredictionRecord:
        """Returns what is logged under the record's id once that is durable: the first one, if retried."""
        ...

    async def add_outcome(self, prediction_id: str, outcome: Outcome) -> None:
        """Returns once the outcome is durable."""
        ...


class PredictionService:
    """Answers with the loaded models, and logs what the experiment asks for.

    Attributes:
        library: The models. Replaced together with the experiment, whose arms' models it holds.
        experiment: What PredictRandom draws from.
    """

    def __init__(
        self, library: LoadedModels, experiment: Experiment, log: PredictionLog, catalogue: CatalogueTracks
    ) -> None:
        """Starts with the models, the experiment, the log of its predictions, and what is known of tracks."""
        self.library = library
        self.experiment = experiment
        self._log = log
        self._catalogue = catalogue

    def predict(
        self,
        model: str,
        track_id: str,
        favourite_genres: tuple[str, ...],
        context: ListenerContext | None = None,
        version: str = "",
    ) -> Prediction:
        """Predicts one play; does not log.

        Args:
            model: Model to ask; empty for the default one.
            track_id: Track about to be played.
            favourite_genres: The listener's.
            context: What else is known about the listener.
            version: Version to ask; empty for the one that serves.

        Raises:
            UnknownModelError: No such model is loaded.
            UnknownTrackError: The catalogue lacks the track.
        """
        predictor = self.library.find(model, version).predictor
        try:
            probability = predictor.predict_one(track_id, favourite_genres, context)
        except models.UnknownTrackError:
            raise UnknownTrackError(track_id) from None
        return Prediction(probability < predictor.threshold, probability, predictor.name, predictor.version)

    async def predict_random(
        self,
        track_id: str,
        favourite_genres: tuple[str, ...],
        listener_id: str | None = None,
        context: ListenerContext | None = None,
        request_id: str = "",
    ) -> Prediction:
        """Predicts one play with a model that the experiment draws, and returns once that is logged.

        Args:
            track_id: Track about to be played.
            favourite_genres: The listener's.
            listener_id: The listener, who then always gets the same arm; None draws anew.
            context: What else is known about the listener.
            request_id: Names the request, so that a retry gets the same answer; empty for none.

        Raises:
            UnknownTrackError: The catalogue lacks the track.
            InvalidRequestError: The request id was another request's.
            SpoolFullError: The prediction cannot be logged now.
        """
        requested_at, started = datetime.now(UTC), time.perf_counter_ns()
        experiment = self.experiment  # it may be replaced while the record is written
        arm = experiment.choose(listener_id, request_id)
        predictor = self.library.find(arm.model, arm.version).predictor
        probability = _probability(predictor, track_id, favourite_genres, context)
        record = PredictionRecord(
            prediction_id=self._log.new_prediction_id(request_id),
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
            metric=experiment.metric,
        )
        logged = await self._log.add(record, retried=bool(request_id))
        if (logged.track_id, logged.listener_id) != (track_id, listener_id):
            raise InvalidRequestError(
                [("request_id", "names an earlier request of another track or listener")]
            )
        return Prediction(
            logged.skipped,
            logged.play_through_probability,
            logged.model,
            logged.version,
            logged.prediction_id,
        )

    def rank_tracks(
        self,
        model: str,
        track_ids: Sequence[str],
        favourite_genres: Sequence[str],
        context: ListenerContext | None = None,
        top_k: int = 0,
        listening_curve_at_s: Sequence[float] = (),
    ) -> Ranking:
        """Ranks tracks with a model, the default one when its name is empty; see `server.ranking.rank`.

        Raises:
            UnknownModelError: No model of that name is loaded.
        """
        predictor = self.library.find(model).predictor
        return rank(predictor, track_ids, favourite_genres, context, top_k, listening_curve_at_s)

    def catalogue_size(self, model: str) -> int:
        """Returns how many tracks a ranking of the whole catalogue has.

        Raises:
            UnknownModelError: No model of that name is loaded.
        """
        return len(self.library.find(model).predictor.track_ids)

    @property
    def mean_track_id_bytes(self) -> float:
        """Returns the length of a track's id in the catalogue, in the mean."""
        return self._catalogue.mean_id_bytes

    def complete_play(self, play: Play) -> CompletePlay:
        """Returns a play with what its request leaves to the catalogue."""
        return with_catalogue(play, self._catalogue)

    def plan_prefetch(
        self,
        model: str,
        version: str,
        complete: CompletePlay,
        favourite_genres: Sequence[str],
        context: ListenerContext | None = None,
        weights: ScoreWeights | None = None,
    ) -> PlannedPlay:
        """Plans for a play with a model, the default one when its name is empty; see `server.planning`.

        Raises:
            UnknownModelError: No such model is loaded.
        """
        predictor = self.library.find(model, version).predictor
        return plan_play(predictor, complete, favourite_genres, context, weights or ScoreWeights())

    async def record_outcome(self, prediction_id: str, skipped: bool, listened_ms: int) -> None:
        """Keeps what really happened to a logged prediction, to be joined to it; it may come again.

        Of two different outcomes the first one counts; the second is kept as a conflict.

        Args:
            prediction_id: The prediction.
            skipped: Whether the listener skipped the track.
            listened_ms: How long the listener heard it, in milliseconds.

        Raises:
            UnknownPredictionError: No server can have issued the id.
            SpoolFullError: The outcome cannot be kept now.
        """
        await self._log.add_outcome(prediction_id, Outcome(skipped, listened_ms, datetime.now(UTC)))


def _probability(
    predictor: Predictor, track_id: str, favourite_genres: tuple[str, ...], context: ListenerContext | None
) -> float:
    try:
        return predictor.predict_one(track_id, favourite_genres, context)
    except models.UnknownTrackError:
        raise UnknownTrackError(track_id) from None
