"""Converts the contract's messages to values, and the service's answers to messages."""

from google.protobuf.timestamp_pb2 import Timestamp

from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.link_estimate import LinkObservations
from cache_client.prefetch.plan import Objective, Ration
from cache_client.prefetch.play import Play, QueuedTrack
from cache_client.prefetch.score import ScoreWeights
from cache_client.prefetch.throughput import Transfer
from models import ListenerContext, RecentPlay
from playthrough.v1 import prediction_service_pb2 as pb
from server.loaded_models import LoadedModel
from server.measurement import measurement_of
from server.planning import PlannedPlay
from server.ranking import Ranking
from server.service import Prediction, PredictionService

_STORAGE_CLASSES = {
    pb.STORAGE_CLASS_FAST: "FAST",
    pb.STORAGE_CLASS_MEDIUM: "MEDIUM",
    pb.STORAGE_CLASS_SLOW: "SLOW",
}
_OBJECTIVES = {
    pb.Ration.OBJECTIVE_BYTES: Objective.BYTES,
    pb.Ration.OBJECTIVE_PLAYS: Objective.PLAYS,
}


def context_of(
    request: pb.PredictRequest | pb.PredictRandomRequest | pb.RankTracksRequest | pb.PlanPrefetchRequest,
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


def play_of(request: pb.PlanPrefetchRequest) -> Play:
    """Returns what a request says about a play."""
    link, ration = request.link, request.ration
    return Play(
        playing=_queued_track(request.playing),
        queue=[_queued_track(it) for it in request.queue],
        free_bytes=request.free_bytes,
        delivery=_delivery(request.delivery),
        at_s=request.playing_at_s,
        link=LinkObservations(
            tuple(Transfer(it.size_bytes, it.duration_s) for it in link.transfers),
            link.watched_s,
            tuple(link.silences_s),
        ),
        ration=Ration(_OBJECTIVES[ration.objective], ration.price) if request.HasField("ration") else None,
    )


def _queued_track(track: pb.QueuedTrack) -> QueuedTrack:
    storage_class = _STORAGE_CLASSES.get(track.storage_class)
    return QueuedTrack(track.track_id, track.duration_ms / 1000, storage_class, track.cached_bytes)


def _delivery(message: pb.AudioDelivery) -> Delivery:
    """Returns the delivery that a request describes; the rule's own where it says nothing."""
    told = {field.name: value for field, value in message.ListFields()}
    if "audio_bytes_per_s" in told:
        told["bit_rate_bit_per_s"] = told.pop("audio_bytes_per_s") * 8
    return Delivery(**told)


def weights_of(request: pb.PlanPrefetchRequest) -> ScoreWeights:
    """Returns the prices of a request; the rule's own where it says nothing."""
    usual = ScoreWeights()
    return ScoreWeights(
        request.wait_per_s if request.HasField("wait_per_s") else usual.wait_per_s,
        request.waste_per_mbit if request.HasField("waste_per_mbit") else usual.waste_per_mbit,
    )


def plan_prefetch_response(planned: PlannedPlay) -> pb.PlanPrefetchResponse:
    """Returns a plan as PlanPrefetch's answer."""
    response = pb.PlanPrefetchResponse(
        unknown_track_ids=planned.unknown_track_ids, model=planned.model, version=planned.version
    )
    for fetch in planned.plan.fetches:
        response.fetches.add(**fetch._asdict())
    for step in planned.plan.ahead or ():
        response.ahead.add(**step._asdict())
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
    answer.experiment.metric = service.experiment.metric
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
