"""The contract's methods: convert, call, convert back."""

import asyncio
import math
import time
from concurrent.futures import ThreadPoolExecutor

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server.call_counts import CallCounts
from server.errors import OverloadedError, TooLateError
from server.rpc import convert, validation
from server.rpc.calls import Limited, answers
from server.rpc.errors import Context
from server.service import PredictionService

# A ranking of a whole catalogue takes some ten milliseconds of a core: so many make a queue of a second.
_MAX_CATALOGUE_RANKINGS = 64


class PredictionServicer(Limited, pb_grpc.PredictionServiceServicer):
    """Answers `playthrough.v1.PredictionService`."""

    def __init__(self, service: PredictionService, counts: CallCounts, max_in_flight: int) -> None:
        """Answers with a service; counts the calls, and refuses those beyond `max_in_flight`."""
        super().__init__(counts, max_in_flight)
        self._service = service
        # One thread: a second would only fight the event loop harder for the interpreter.
        self._ranker = ThreadPoolExecutor(1, thread_name_prefix="ranker")
        self._rankings = 0

    @answers
    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """Lists the models and the experiment."""
        return convert.list_models_response(self._service)

    @answers
    async def Predict(self, request: pb.PredictRequest, context: Context) -> pb.PredictResponse:
        """Predicts one play."""
        validation.check_predict(request)
        prediction = self._service.predict(
            request.model,
            request.track_id,
            tuple(request.favourite_genres[:]),  # to iterate over the field takes twice as long
            convert.context_of(request),
            request.version,
        )
        return convert.predict_response(prediction)

    @answers
    async def PredictRandom(
        self, request: pb.PredictRandomRequest, context: Context
    ) -> pb.PredictRandomResponse:
        """Predicts one play with a drawn model, and answers once that is logged."""
        validation.check_predict_random(request)
        prediction = await self._service.predict_random(
            request.track_id,
            tuple(request.favourite_genres[:]),
            request.listener_id or None,
            convert.context_of(request),
        )
        return convert.predict_random_response(prediction)

    @answers
    async def RankTracks(self, request: pb.RankTracksRequest, context: Context) -> pb.RankTracksResponse:
        """Ranks tracks: a queue at once, since that is short; the catalogue off the event loop."""
        validation.check_rank_tracks(request)
        if request.track_ids:
            return self._rank_tracks(request)
        if self._rankings >= _MAX_CATALOGUE_RANKINGS:
            raise OverloadedError
        self._rankings += 1
        try:  # cancelled while it waits for the thread, it is not begun
            loop, remaining_s = asyncio.get_running_loop(), context.time_remaining()
            until_s = math.inf if remaining_s is None else time.monotonic() + remaining_s
            return await loop.run_in_executor(self._ranker, self._rank_in_time, request, until_s)
        finally:
            self._rankings -= 1

    @answers
    async def RecordOutcome(
        self, request: pb.RecordOutcomeRequest, context: Context
    ) -> pb.RecordOutcomeResponse:
        """Joins an outcome to its prediction, and answers once that is durable."""
        validation.check_record_outcome(request)
        await self._service.record_outcome(request.prediction_id, request.skipped, request.listened_ms)
        return pb.RecordOutcomeResponse()

    def close(self) -> None:
        """Ends the thread that ranks."""
        self._ranker.shutdown(wait=True, cancel_futures=True)

    def _rank_in_time(self, request: pb.RankTracksRequest, until_s: float) -> pb.RankTracksResponse:
        if time.monotonic() > until_s:
            raise TooLateError
        return self._rank_tracks(request)

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
