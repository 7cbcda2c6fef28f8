"""Checks requests against the contract."""

import math
import re
from collections.abc import Sequence

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1.limits import (
    MAX_ANSWER_BYTES,
    MAX_CURVE_POINTS,
    MAX_FAVOURITE_GENRES,
    MAX_RANKED_CURVE_POINTS,
    MAX_RECENT_PLAYS,
    MAX_STRING_LENGTH,
    MAX_TRACK_IDS,
)
from server.errors import InvalidRequestError

# Of a RankedTrack without its id and its curve: its tags, its lengths, the probability and skipped.
_RANKED_TRACK_BYTES = 15

_PREDICTION_ID = re.compile(r"[0-9a-f]{24}")

Violations = list[tuple[str, str]]


def check_predict(request: pb.PredictRequest) -> None:
    """Raises InvalidRequestError when a Predict request breaks the contract."""
    if _is_short_play(request):
        return
    violations: Violations = []
    check_text(violations, "model", request.model)
    check_text(violations, "version", request.version)
    _check_play(violations, request)
    refuse_if_any(violations)


def check_predict_random(request: pb.PredictRandomRequest) -> None:
    """Raises InvalidRequestError when a PredictRandom request breaks the contract."""
    if _is_short_play(request):
        return
    violations: Violations = []
    check_text(violations, "listener_id", request.listener_id)
    check_text(violations, "request_id", request.request_id)
    _check_play(violations, request)
    refuse_if_any(violations)


def check_rank_tracks(request: pb.RankTracksRequest) -> None:
    """Raises InvalidRequestError when a RankTracks request breaks the contract."""
    violations: Violations = []
    check_text(violations, "model", request.model)
    _check_texts(violations, "track_ids", request.track_ids, MAX_TRACK_IDS)
    check_listener(violations, request)
    _check_not_negative(violations, "top_k", request.top_k)
    _check_seconds(violations, "listening_curve_at_s", request.listening_curve_at_s)
    refuse_if_any(violations)


def check_record_outcome(request: pb.RecordOutcomeRequest) -> None:
    """Raises InvalidRequestError when a RecordOutcome request breaks the contract."""
    violations: Violations = []
    if not _PREDICTION_ID.fullmatch(request.prediction_id):
        violations.append(("prediction_id", "must be an id that PredictRandom returned"))
    _check_not_negative(violations, "listened_ms", request.listened_ms)
    refuse_if_any(violations)


def check_curve_points(request: pb.RankTracksRequest, n_tracks: int) -> int:
    """Returns how many points a ranking's listening curves have.

    Args:
        request: The request.
        n_tracks: How many tracks it asks about.

    Raises:
        InvalidRequestError: They are too many.
    """
    returned = min(request.top_k or n_tracks, n_tracks)
    n_points = returned * len(request.listening_curve_at_s)
    if n_points > MAX_RANKED_CURVE_POINTS:
        problem = (
            f"times the {returned:,} tracks to return must be at most {MAX_RANKED_CURVE_POINTS:,}: "
            "ask for fewer seconds, or fewer tracks by top_k"
        )
        refuse_if_any([("listening_curve_at_s", problem)])
    return n_points


def check_expected_size(request: pb.RankTracksRequest, n_tracks: int, mean_track_id_bytes: float) -> None:
    """Raises InvalidRequestError when a ranking can be seen to be too large before it is made.

    Args:
        request: The request.
        n_tracks: How many tracks it asks about.
        mean_track_id_bytes: Length of a track's id in the mean.
    """
    returned = min(request.top_k or n_tracks, n_tracks)
    track_bytes = _RANKED_TRACK_BYTES + mean_track_id_bytes + 8 * len(request.listening_curve_at_s)
    _refuse_if_large(returned * track_bytes, returned)


def check_answer_size(response: pb.RankTracksResponse) -> None:
    """Raises InvalidRequestError when a ranking has more tracks than an answer can carry."""
    _refuse_if_large(response.ByteSize(), len(response.tracks))


def _refuse_if_large(answer_bytes: float, n_tracks: int) -> None:
    if answer_bytes > MAX_ANSWER_BYTES:
        problem = f"must be given, and below {n_tracks:,}: so many make an answer of more than 4 MB"
        refuse_if_any([("top_k", problem)])


def _is_short_play(request: pb.PredictRequest | pb.PredictRandomRequest) -> bool:
    """Returns whether a request lacks nothing and is too short to break a limit, as nearly all are.

    A look at every field takes several times as long. Each genre has two bytes at least, so that there are
    not too many of them either.
    """
    return (
        request.ByteSize() <= MAX_STRING_LENGTH
        and request.track_id != ""
        and not request.HasField("context")
        and "" not in request.favourite_genres[:]
    )


def _check_play(violations: Violations, request: pb.PredictRequest | pb.PredictRandomRequest) -> None:
    check_text(violations, "track_id", request.track_id, required=True)
    check_listener(violations, request)


def check_listener(
    violations: Violations,
    request: pb.PredictRequest | pb.PredictRandomRequest | pb.RankTracksRequest | pb.PlanPrefetchRequest,
) -> None:
    """Adds what is wrong with a request's favourite genres and context."""
    _check_texts(violations, "favourite_genres", request.favourite_genres, MAX_FAVOURITE_GENRES)
    if not request.HasField("context"):
        return
    context = request.context
    plays = context.recent_plays[: MAX_RECENT_PLAYS + 1]  # a request may hold a million
    tracks = [play.track_id for play in plays]
    _check_texts(violations, "context.recent_plays", tracks, MAX_RECENT_PLAYS, suffix=".track_id")
    _check_not_negative(violations, "context.position", context.position)


def check_text(violations: Violations, field: str, text: str, *, required: bool = False) -> None:
    """Adds what is wrong with a text."""
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
            check_text(violations, f"{field}[{index}]{suffix}", text, required=True)


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


def refuse_if_any(violations: Violations) -> None:
    """Raises InvalidRequestError when something is wrong."""
    if violations:
        raise InvalidRequestError(violations)
