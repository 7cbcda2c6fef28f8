"""Checks requests against the contract."""

import math
import re
from collections.abc import Sequence

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1.limits import (
    MAX_CURVE_POINTS,
    MAX_FAVOURITE_GENRES,
    MAX_RECENT_PLAYS,
    MAX_STRING_LENGTH,
    MAX_TRACK_IDS,
)
from server.errors import InvalidRequestError

_PREDICTION_ID = re.compile(r"[0-9a-f]{24}")

Violations = list[tuple[str, str]]


def check_predict(request: pb.PredictRequest) -> None:
    """Raises InvalidRequestError when a Predict request breaks the contract."""
    violations: Violations = []
    _check_text(violations, "model", request.model)
    _check_text(violations, "version", request.version)
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
