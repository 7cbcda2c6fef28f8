"""Checks requests and turns messages into values, and values into messages."""

import math
import re
from collections.abc import Sequence
from itertools import repeat

from google.protobuf.timestamp_pb2 import Timestamp

from models.context import ListenerContext, RecentPlay
from playthrough.v1 import prediction_service_pb2 as pb
from server.answers import Prediction, Ranking
from server.errors import InvalidRequestError
from server.service import PredictionService

MAX_TEXT_LENGTH = 200
MAX_GENRES = 100
MAX_TRACKS = 1000
MAX_RECENT_PLAYS = 200
MAX_CURVE_POINTS = 1000
_PREDICTION_ID = re.compile(r"[0-9a-f]{24}")

Violations = list[tuple[str, str]]


def check_predict(request: pb.PredictRequest) -> None:
    """Raises InvalidRequestError when a Predict request breaks the contract."""
    violations: Violations = []
    _check_text(violations, "model", request.model)
    _check_play(violations, request)
    _refuse_if_any(violations)


def check_predict_random(request: pb.PredictRandomRequest) -> None:
    """Raises InvalidRequestError when a PredictRandom request breaks the contract."""
    violations: Violations = []
    _check_text(violations, "listener_id", request.listener_id)
    _check_play(violations, request)
    _refuse_if_any(violations)


def check_rank_tracks(request: pb.RankTracksRequest) -> None:
    """Raises InvalidRequestError when a RankTracks request breaks the contract."""
    violations: Violations = []
    _check_text(violations, "model", request.model)
    _check_texts(violations, "track_ids", request.track_ids, MAX_TRACKS)
    _check_texts(violations, "favourite_genres", request.favourite_genres, MAX_GENRES)
    _check_context(violations, request)
    _check_not_negative(violations, "top_k", request.top_k)
    _check_seconds(violations, "listening_curve_at_s", request.listening_curve_at_s)
    _refuse_if_any(violations)


def check_record_outcome(request: pb.RecordOutcomeRequest) -> None:
    """Raises InvalidRequestError when a RecordOutcome request breaks the contract."""
    violations: Violations = []
    if not _PREDICTION_ID.fullmatch(request.prediction_id):
        violations.append(("prediction_id", "must be an id that PredictRandom returned"))
    _check_not_negative(violations, "listened_ms", request.listened_ms)
    _refuse_if_any(violations)


def context_of(
    request: pb.PredictRequest | pb.PredictRandomRequest | pb.RankTracksRequest,
) -> ListenerContext | None:
    """Returns what a request says about the listener, or None when it says nothing."""
    if not request.HasField("context"):
        return None
    context = request.context
    return ListenerContext(
        premium=context.premium if context.HasField("premium") else None,
        recent_plays=tuple(RecentPlay(play.track_id, play.skipped) for play in context.recent_plays),
        advertisement_before=(
            context.advertisement_before if context.HasField("advertisement_before") else None
        ),
        position=context.position if context.HasField("position") else None,
    )


def predict_response(prediction: Prediction) -> pb.PredictResponse:
    """Returns a prediction as Predict's answer."""
    return pb.PredictResponse(
        skipped=prediction.skipped,
        play_through_probability=prediction.play_through_probability,
        model=prediction.model,
        version=prediction.version,
    )


def predict_random_response(prediction: Prediction) -> pb.PredictRandomResponse:
    """Returns a logged prediction as PredictRandom's answer."""
    return pb.PredictRandomResponse(
        skipped=prediction.skipped,
        play_through_probability=prediction.play_through_probability,
        model=prediction.model,
        version=prediction.version,
        prediction_id=prediction.prediction_id,
    )


def rank_tracks_response(ranking: Ranking) -> pb.RankTracksResponse:
    """Returns a ranking as RankTracks' answer."""
    return pb.RankTracksResponse(
        tracks=[
            pb.RankedTrack(
                track_id=track_id,
                play_through_probability=probability,
                skipped=probability < ranking.threshold,
                listening_curve=curve,
            )
            for track_id, probability, curve in zip(
                ranking.track_ids, ranking.probabilities, ranking.listening_curves or repeat([]), strict=False
            )
        ],
        unknown_track_ids=ranking.unknown_track_ids,
        model=ranking.model,
        version=ranking.version,
    )


def list_models_response(service: PredictionService) -> pb.ListModelsResponse:
    """Returns the loaded models and the experiment as ListModels' answer."""
    answer = pb.ListModelsResponse()
    for name, loaded in sorted(service.models.items()):
        loaded_at = Timestamp()
        loaded_at.FromDatetime(loaded.loaded_at)
        predictor = loaded.predictor
        answer.models.add(
            name=name,
            version=predictor.version,
            description=predictor.description,
            required_inputs=predictor.required_inputs,
            metrics=predictor.metrics,
            loaded_at=loaded_at,
            is_default=name == service.default_model,
        )
    answer.experiment.name = service.experiment.name
    for arm in service.experiment.arms:
        answer.experiment.arms.add(name=arm.name, model=arm.model, probability=arm.probability)
    return answer


def _check_play(violations: Violations, request: pb.PredictRequest | pb.PredictRandomRequest) -> None:
    _check_text(violations, "track_id", request.track_id, required=True)
    _check_texts(violations, "favourite_genres", request.favourite_genres, MAX_GENRES)
    _check_context(violations, request)


def _check_context(
    violations: Violations, request: pb.PredictRequest | pb.PredictRandomRequest | pb.RankTracksRequest
) -> None:
    if not request.HasField("context"):
        return
    context = request.context
    tracks = [play.track_id for play in context.recent_plays]
    _check_texts(violations, "context.recent_plays", tracks, MAX_RECENT_PLAYS, suffix=".track_id")
    _check_not_negative(violations, "context.position", context.position)


def _check_text(violations: Violations, field: str, text: str, *, required: bool = False) -> None:
    if required and not text:
        violations.append((field, "is required"))
    elif len(text) > MAX_TEXT_LENGTH:
        violations.append((field, f"must have at most {MAX_TEXT_LENGTH} characters"))


def _check_texts(
    violations: Violations, field: str, texts: Sequence[str], max_items: int, suffix: str = ""
) -> None:
    if len(texts) > max_items:
        violations.append((field, f"must have at most {max_items:,} items"))
        return
    for index, text in enumerate(texts):
        if not 0 < len(text) <= MAX_TEXT_LENGTH:  # the common case costs one comparison
            _check_text(violations, f"{field}[{index}]{suffix}", text, required=True)


def _check_not_negative(violations: Violations, field: str, number: int) -> None:
    if number < 0:
        violations.append((field, "must not be negative"))


def _check_seconds(violations: Violations, field: str, seconds: Sequence[float]) -> None:
    if len(seconds) > MAX_CURVE_POINTS:
        violations.append((field, f"must have at most {MAX_CURVE_POINTS:,} items"))
        return
    for index, second in enumerate(seconds):
        if not (math.isfinite(second) and second >= 0):
            violations.append((f"{field}[{index}]", "must be finite and not negative"))


def _refuse_if_any(violations: Violations) -> None:
    if violations:
        raise InvalidRequestError(violations)
