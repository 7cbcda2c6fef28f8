"""Checks requests and turns messages into values, and values into messages."""

import math
import re
from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from models.context import ListenerContext, RecentPlay
from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1.limits import (
    MAX_CURVE_POINTS,
    MAX_FAVOURITE_GENRES,
    MAX_RECENT_PLAYS,
    MAX_STRING_LENGTH,
    MAX_TRACK_IDS,
)
from server.answers import Prediction, Ranking
from server.errors import InvalidRequestError
from server.ports import LoadedModel
from server.service import PredictionService

_PREDICTION_ID = re.compile(r"[0-9a-f]{24}")

Violations = list[tuple[str, str]]
Listener = tuple[tuple[str, ...], ListenerContext | None]
"""Favourite genres, and what else is known, if anything."""


def check_predict(request: pb.PredictRequest) -> Listener:
    """Returns what a Predict request says of the listener.

    Raises:
        InvalidRequestError: When it breaks the contract.
    """
    favourite_genres = tuple(request.favourite_genres[:])  # to iterate over the field takes twice as long
    if (
        _is_plain(request, favourite_genres)
        and len(request.model) <= MAX_STRING_LENGTH
        and len(request.version) <= MAX_STRING_LENGTH
    ):
        return favourite_genres, None
    violations: Violations = []
    _check_text(violations, "model", request.model)
    _check_text(violations, "version", request.version)
    _check_play(violations, request)
    _refuse_if_any(violations)
    return favourite_genres, context_of(request)


def check_predict_random(request: pb.PredictRandomRequest) -> Listener:
    """Does the same for a PredictRandom request."""
    favourite_genres = tuple(request.favourite_genres[:])
    if _is_plain(request, favourite_genres) and len(request.listener_id) <= MAX_STRING_LENGTH:
        return favourite_genres, None
    violations: Violations = []
    _check_text(violations, "listener_id", request.listener_id)
    _check_play(violations, request)
    _refuse_if_any(violations)
    return favourite_genres, context_of(request)


def check_rank_tracks(request: pb.RankTracksRequest) -> None:
    """Raises InvalidRequestError when a RankTracks request breaks the contract."""
    violations: Violations = []
    _check_text(violations, "model", request.model)
    _check_texts(violations, "track_ids", request.track_ids, MAX_TRACK_IDS)
    _check_texts(violations, "favourite_genres", request.favourite_genres, MAX_FAVOURITE_GENRES)
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
    response = pb.PredictResponse()  # field by field: keyword arguments take longer
    response.skipped, response.play_through_probability, response.model, response.version, _ = prediction
    return response


def predict_random_response(prediction: Prediction) -> pb.PredictRandomResponse:
    """Returns a logged prediction as PredictRandom's answer."""
    response = pb.PredictRandomResponse()
    response.skipped, response.play_through_probability, response.model, response.version, _ = prediction
    response.prediction_id = prediction.prediction_id
    return response


def rank_tracks_response(ranking: Ranking) -> pb.RankTracksResponse:
    """Returns a ranking as RankTracks' answer."""
    response = pb.RankTracksResponse(
        unknown_track_ids=ranking.unknown_track_ids, model=ranking.model, version=ranking.version
    )
    add, threshold = response.tracks.add, ranking.threshold
    for track_id, probability in zip(ranking.track_ids, ranking.probabilities, strict=True):
        track = add()  # in place and field by field: a quarter of the time of a list of new messages
        track.track_id = track_id
        track.play_through_probability = probability
        track.skipped = probability < threshold
    for track, curve in zip(response.tracks, ranking.listening_curves, strict=False):  # none, or one a track
        track.listening_curve.extend(curve)
    return response


def list_models_response(service: PredictionService) -> pb.ListModelsResponse:
    """Returns the models and the experiment as ListModels' answer."""
    answer, library = pb.ListModelsResponse(), service.library
    listed = [
        _loaded(name, model, is_serving=model is versions[0], is_default=name == library.default_model)
        for name, versions in library.loaded.items()
        for model in versions
    ]
    listed += [
        pb.Model(
            name=failed.name,
            version=failed.version,
            state=pb.Model.STATE_FAILED,
            failure_reason=failed.reason,
        )
        for failed in library.failed
    ]
    answer.models.extend(sorted(listed, key=lambda model: (model.name, -int(model.version))))
    answer.experiment.name = service.experiment.name
    for arm in service.experiment.arms:
        answer.experiment.arms.add(name=arm.name, model=arm.model, probability=arm.probability)
    return answer


def _loaded(name: str, loaded: LoadedModel, *, is_serving: bool, is_default: bool) -> pb.Model:
    """Returns a loaded version as ListModels shows it."""
    loaded_at = Timestamp()
    loaded_at.FromDatetime(loaded.loaded_at)
    predictor = loaded.predictor
    return pb.Model(
        name=name,
        version=predictor.version,
        description=predictor.description,
        required_inputs=predictor.required_inputs,
        metrics=predictor.metrics,
        loaded_at=loaded_at,
        is_default=is_serving and is_default,
        state=pb.Model.STATE_SERVING if is_serving else pb.Model.STATE_STANDBY,
    )


def _is_plain(
    request: pb.PredictRequest | pb.PredictRandomRequest, favourite_genres: tuple[str, ...]
) -> bool:
    """Says at once that a play is fine, which nearly all are; what is wrong with one takes longer."""
    if len(favourite_genres) > MAX_FAVOURITE_GENRES or not 0 < len(request.track_id) <= MAX_STRING_LENGTH:
        return False
    for genre in favourite_genres:  # a generator would cost more than all the rest
        if not 0 < len(genre) <= MAX_STRING_LENGTH:
            return False
    return not request.HasField("context")


def _check_play(violations: Violations, request: pb.PredictRequest | pb.PredictRandomRequest) -> None:
    _check_text(violations, "track_id", request.track_id, required=True)
    _check_texts(violations, "favourite_genres", request.favourite_genres, MAX_FAVOURITE_GENRES)
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
    elif len(text) > MAX_STRING_LENGTH:
        violations.append((field, f"must have at most {MAX_STRING_LENGTH} characters"))


def _check_texts(
    violations: Violations, field: str, texts: Sequence[str], max_items: int, suffix: str = ""
) -> None:
    if len(texts) > max_items:
        violations.append((field, f"must have at most {max_items:,} items"))
        return
    for index, text in enumerate(texts):
        if not 0 < len(text) <= MAX_STRING_LENGTH:  # the common case costs one comparison
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
