"""Checks PlanPrefetch requests against the contract."""

from collections.abc import Iterable

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1.limits import (
    AUDIO_BYTES_PER_S,
    CHUNK_S,
    MAX_BYTES,
    MAX_LATENCY_MS,
    MAX_PRICE,
    MAX_QUEUED_TRACKS,
    MAX_SECONDS,
    MAX_SILENCES,
    MAX_TRACK_MS,
    MAX_TRANSFERS,
)
from server.rpc.validation import Violations, check_listener, check_text, refuse_if_any

_OBJECTIVES = (pb.Ration.OBJECTIVE_BYTES, pb.Ration.OBJECTIVE_PLAYS)
_DELIVERY_RANGES = {
    "audio_bytes_per_s": AUDIO_BYTES_PER_S,
    "chunk_s": CHUNK_S,
    "rtt_ms": (0.0, MAX_LATENCY_MS),
    "fast_ms": (0.0, MAX_LATENCY_MS),
    "medium_ms": (0.0, MAX_LATENCY_MS),
    "slow_ms": (0.0, MAX_LATENCY_MS),
}


def check_plan_prefetch(request: pb.PlanPrefetchRequest) -> None:
    """Raises InvalidRequestError when a PlanPrefetch request breaks the contract."""
    violations: Violations = []
    check_text(violations, "model", request.model)
    check_text(violations, "version", request.version)
    _check_track(violations, "playing", request.playing)
    _check_number(violations, "playing_at_s", request.playing_at_s, most=MAX_SECONDS)
    if _check_count(violations, "queue", len(request.queue), MAX_QUEUED_TRACKS):
        for index, track in enumerate(request.queue):
            _check_track(violations, f"queue[{index}]", track)
    _check_number(violations, "free_bytes", request.free_bytes, most=MAX_BYTES)
    check_listener(violations, request)
    _check_link(violations, request.link)
    for field, value in request.delivery.ListFields():
        least, most = _DELIVERY_RANGES[field.name]
        _check_number(violations, f"delivery.{field.name}", value, least, most)
    _check_number(violations, "wait_per_s", request.wait_per_s, most=MAX_PRICE)
    _check_number(violations, "waste_per_mbit", request.waste_per_mbit, most=MAX_PRICE)
    if request.HasField("ration"):
        if request.ration.objective not in _OBJECTIVES:
            violations.append(("ration.objective", "is required"))
        _check_number(violations, "ration.price", request.ration.price, most=MAX_PRICE)
    refuse_if_any(violations)


def _check_track(violations: Violations, field: str, track: pb.QueuedTrack) -> None:
    check_text(violations, f"{field}.track_id", track.track_id, required=True)
    _check_number(violations, f"{field}.duration_ms", track.duration_ms, most=MAX_TRACK_MS)
    _check_number(violations, f"{field}.cached_bytes", track.cached_bytes, most=MAX_BYTES)
    if track.storage_class not in pb.StorageClass.values():
        violations.append((f"{field}.storage_class", "is no storage class of this contract"))


def _check_link(violations: Violations, link: pb.LinkObservations) -> None:
    if _check_count(violations, "link.transfers", len(link.transfers), MAX_TRANSFERS):
        for index, transfer in enumerate(link.transfers):
            field = f"link.transfers[{index}]"
            _check_number(violations, f"{field}.size_bytes", transfer.size_bytes, most=MAX_BYTES)
            _check_number(violations, f"{field}.duration_s", transfer.duration_s, most=MAX_SECONDS)
    _check_number(violations, "link.watched_s", link.watched_s, most=MAX_SECONDS)
    if _check_count(violations, "link.silences_s", len(link.silences_s), MAX_SILENCES):
        _check_numbers(violations, "link.silences_s", link.silences_s)


def _check_count(violations: Violations, field: str, count: int, most: int) -> bool:
    """Returns whether a list is short enough to look at its items."""
    if count > most:
        violations.append((field, f"must have at most {most:,} items"))
    return count <= most


def _check_numbers(violations: Violations, field: str, seconds: Iterable[float]) -> None:
    for index, second in enumerate(seconds):
        _check_number(violations, f"{field}[{index}]", second, most=MAX_SECONDS)


def _check_number(
    violations: Violations, field: str, value: float, least: float = 0.0, most: float = MAX_SECONDS
) -> None:
    if not least <= value <= most:  # nor NaN
        violations.append((field, f"must be a number from {least:,.15g} to {most:,.17g}"))
