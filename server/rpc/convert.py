"""Converts the contract's messages to values, and the service's answers to messages."""

from google.protobuf.timestamp_pb2 import Timestamp

from models import ListenerContext, RecentPlay
from playthrough.v1 import prediction_service_pb2 as pb
from server.loaded_models import LoadedModel
from server.measurement import measurement_of
from server.ranking import Ranking
from server.service import Prediction, PredictionService


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
        answer.experiment.arms.add(
            name=arm.name, model=arm.model, probability=arm.probability, version=arm.version
        )
    return answer


def _loaded(name: str, loaded: LoadedModel, *, is_serving: bool, is_default: bool) -> pb.Model:
    """Returns a loaded version as ListModels shows it."""
    loaded_at = Timestamp()
    loaded_at.FromDatetime(loaded.loaded_at)
    predictor = loaded.predictor
    measured = measurement_of(predictor)
    return pb.Model(
        name=name,
        version=predictor.version,
        description=predictor.description,
        required_inputs=predictor.required_inputs,
        metrics=predictor.metrics,
        loaded_at=loaded_at,
        is_default=is_serving and is_default,
        state=pb.Model.STATE_SERVING if is_serving else pb.Model.STATE_STANDBY,
        digest=predictor.digest,
        split=measured.split,
        test_share=measured.test_share,
        refitted=predictor.refitted,
        data_digest=measured.data_digest,
    )
