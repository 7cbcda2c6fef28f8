"""Converts between plain values and the contract's protobuf messages."""

import math
from collections.abc import Sequence
from datetime import UTC

from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.link_estimate import LinkObservations
from cache_client.prefetch.plan import AheadStep, Fetch, Objective, Plan
from cache_client.prefetch.play import Play, QueuedTrack
from cache_client.rpc.messages import (
    Arm,
    ListenerContext,
    LoggedPrediction,
    Model,
    ModelList,
    PlannedPlay,
    Prediction,
    RankedTrack,
    Ranking,
)
from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1.limits import MAX_PRICE

_STATE_OF = {
    pb.Model.STATE_SERVING: "serving",
    pb.Model.STATE_STANDBY: "standby",
    pb.Model.STATE_FAILED: "failed",
}

_STORAGE_CLASSES = {
    "FAST": pb.STORAGE_CLASS_FAST,
    "MEDIUM": pb.STORAGE_CLASS_MEDIUM,
    "SLOW": pb.STORAGE_CLASS_SLOW,
}
_OBJECTIVES = {
    Objective.BYTES: pb.Ration.OBJECTIVE_BYTES,
    Objective.PLAYS: pb.Ration.OBJECTIVE_PLAYS,
}


def string_list(field: str, values: Sequence[str]) -> Sequence[str]:
    """Returns the values of a repeated field.

    Raises:
        TypeError: One string was given, which protobuf would take for a list of its letters.
    """
    if isinstance(values, (str, bytes)):
        raise TypeError(f"{field} takes a list of strings, not one: [{values!r}]")
    return values


def context_to_proto(context: ListenerContext | None) -> pb.ListenerContext | None:
    """Returns the message for a listener context; what is unknown stays unset."""
    if context is None:
        return None
    return pb.ListenerContext(
        premium=context.premium,
        recent_plays=[
            pb.RecentPlay(track_id=play.track_id, skipped=play.skipped) for play in context.recent_plays
        ],
        advertisement_before=context.advertisement_before,
        position=context.position,
    )


def prediction_from_proto(track_id: str, answer: pb.PredictResponse) -> Prediction:
    """Returns what `Predict` answered about a track."""
    return Prediction(track_id, answer.skipped, answer.play_through_probability, answer.model, answer.version)


def logged_prediction_from_proto(track_id: str, answer: pb.PredictRandomResponse) -> LoggedPrediction:
    """Returns what `PredictRandom` answered about a track."""
    return LoggedPrediction(
        track_id,
        answer.skipped,
        answer.play_through_probability,
        answer.model,
        answer.version,
        answer.prediction_id,
    )


def ranking_from_proto(answer: pb.RankTracksResponse) -> Ranking:
    """Returns what `RankTracks` answered."""
    tracks = tuple(
        RankedTrack(it.track_id, it.play_through_probability, it.skipped, tuple(it.listening_curve))
        for it in answer.tracks
    )
    return Ranking(tracks, tuple(answer.unknown_track_ids), answer.model, answer.version)


def play_to_proto(play: Play) -> pb.PlanPrefetchRequest:
    """Returns the request for a play's plan, without model, listener and prices."""
    request = pb.PlanPrefetchRequest(
        playing=_queued_track(play.playing),
        playing_at_s=play.at_s,
        queue=[_queued_track(it) for it in play.queue],
        free_bytes=play.free_bytes,
        link=_link(play.link),
        delivery=_delivery(play.delivery),
    )
    if play.ration is not None:
        request.ration.objective = _OBJECTIVES[play.ration.objective]
        # A `BytePrice` is infinite where nothing, or everything, fits.
        request.ration.price = min(max(play.ration.price, 0.0), MAX_PRICE)
    return request


def _queued_track(track: QueuedTrack) -> pb.QueuedTrack:
    return pb.QueuedTrack(
        track_id=track.track_id,
        duration_ms=round(track.duration_s * 1000) if math.isfinite(track.duration_s) else 0,
        storage_class=_STORAGE_CLASSES.get(track.storage_class or "", pb.STORAGE_CLASS_UNSPECIFIED),
        cached_bytes=track.cached_bytes,
    )


def _link(link: LinkObservations) -> pb.LinkObservations:
    transfers = [pb.Transfer(size_bytes=it.size_bytes, duration_s=it.duration_s) for it in link.transfers]
    return pb.LinkObservations(transfers=transfers, watched_s=link.watched_s, silences_s=link.silences_s)


def _delivery(delivery: Delivery) -> pb.AudioDelivery:
    return pb.AudioDelivery(
        audio_bytes_per_s=delivery.audio_bytes_per_s,
        chunk_s=delivery.chunk_s,
        rtt_ms=delivery.rtt_ms,
        fast_ms=delivery.fast_ms,
        medium_ms=delivery.medium_ms,
        slow_ms=delivery.slow_ms,
    )


def planned_play_from_proto(answer: pb.PlanPrefetchResponse) -> PlannedPlay:
    """Returns what `PlanPrefetch` answered."""
    plan = Plan(
        tuple(Fetch(it.track_id, it.first_byte, it.last_byte, it.latest_start_s) for it in answer.fetches),
        tuple(AheadStep(it.from_s, it.ahead_s) for it in answer.ahead) or None,
    )
    return PlannedPlay(plan, tuple(answer.unknown_track_ids), answer.model, answer.version)


def model_list_from_proto(answer: pb.ListModelsResponse) -> ModelList:
    """Returns what `ListModels` answered."""
    arms = tuple(Arm(arm.name, arm.model, arm.probability, arm.version) for arm in answer.experiment.arms)
    return ModelList(tuple(_model(model) for model in answer.models), answer.experiment.name, arms)


def _model(model: pb.Model) -> Model:
    return Model(
        name=model.name,
        version=model.version,
        description=model.description,
        required_inputs=tuple(model.required_inputs),
        metrics=dict(model.metrics),
        loaded_at=model.loaded_at.ToDatetime(tzinfo=UTC) if model.HasField("loaded_at") else None,
        is_default=model.is_default,
        state=_STATE_OF.get(model.state, "unspecified"),
        failure_reason=model.failure_reason,
        digest=model.digest,
        split=model.split,
        test_share=model.test_share,
        refitted=model.refitted,
        data_digest=model.data_digest,
    )
