"""Converts between plain values and the contract's protobuf messages."""

from collections.abc import Sequence
from datetime import UTC

from cache_client.rpc.messages import (
    Arm,
    ListenerContext,
    LoggedPrediction,
    Model,
    ModelList,
    Prediction,
    RankedTrack,
    Ranking,
)
from playthrough.v1 import prediction_service_pb2 as pb

_STATE_OF = {
    pb.Model.STATE_SERVING: "serving",
    pb.Model.STATE_STANDBY: "standby",
    pb.Model.STATE_FAILED: "failed",
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
