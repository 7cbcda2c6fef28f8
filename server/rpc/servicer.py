"""The contract's methods: convert, call, convert back."""

import asyncio

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server.rpc import convert
from server.rpc.errors import Context, answers_errors
from server.service import PredictionService


class PredictionServicer(pb_grpc.PredictionServiceServicer):
    """Answers `playthrough.v1.PredictionService`."""

    def __init__(self, service: PredictionService) -> None:
        """Takes the service that does the work."""
        self._service = service

    @answers_errors
    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """Lists the loaded models and the experiment."""
        return convert.list_models_response(self._service)

    @answers_errors
    async def Predict(self, request: pb.PredictRequest, context: Context) -> pb.PredictResponse:
        """Predicts one play; some microseconds of arithmetic, so it stays on the event loop."""
        convert.check_predict(request)
        prediction = self._service.predict(
            request.model, request.track_id, request.favourite_genres, convert.context_of(request)
        )
        return convert.predict_response(prediction)

    @answers_errors
    async def PredictRandom(
        self, request: pb.PredictRandomRequest, context: Context
    ) -> pb.PredictRandomResponse:
        """Predicts one play with a drawn model, and answers once that is logged."""
        convert.check_predict_random(request)
        prediction = await self._service.predict_random(
            request.track_id,
            request.favourite_genres,
            request.listener_id or None,
            convert.context_of(request),
        )
        return convert.predict_random_response(prediction)

    @answers_errors
    async def RankTracks(self, request: pb.RankTracksRequest, context: Context) -> pb.RankTracksResponse:
        """Ranks tracks; off the event loop, since a whole catalogue takes milliseconds."""
        convert.check_rank_tracks(request)
        return await asyncio.to_thread(self._rank_tracks, request)

    @answers_errors
    async def RecordOutcome(
        self, request: pb.RecordOutcomeRequest, context: Context
    ) -> pb.RecordOutcomeResponse:
        """Joins an outcome to its prediction, and answers once that is durable."""
        convert.check_record_outcome(request)
        await self._service.record_outcome(request.prediction_id, request.skipped, request.listened_ms)
        return pb.RecordOutcomeResponse()

    def _rank_tracks(self, request: pb.RankTracksRequest) -> pb.RankTracksResponse:
        ranking = self._service.rank_tracks(
            request.model,
            request.track_ids,
            request.favourite_genres,
            convert.context_of(request),
            request.top_k,
            request.listening_curve_at_s,
        )
        return convert.rank_tracks_response(ranking)
