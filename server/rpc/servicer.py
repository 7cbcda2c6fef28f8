"""The contract's methods: convert, call, convert back."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server.access.caller import CALLER
from server.limits.fair_thread import FairThread
from server.planning import CompletePlay
from server.rpc import convert, validation
from server.rpc.calls import Gated, answers
from server.rpc.errors import Context
from server.rpc.gate import Gate
from server.rpc.plan_validation import check_plan_prefetch
from server.rpc.unsent_answers import UnsentAnswers
from server.service import PredictionService

Answer = TypeVar("Answer")

# Of one kind. A ranking of a whole catalogue takes some ten milliseconds of a core: so many are two seconds.
_MOST_WAITING = 200

# What is answered on the event loop takes it a millisecond or two, since a thousand such calls may come at
# once, and gRPC hands them over before a later call of another method. See benchmarks/worst_request.py: a
# track to rank takes 8 µs, a chunk to plan 12, and a track to plan 50.
_MAX_RANKED_AT_ONCE = 100
_MAX_POINTS_AT_ONCE = 10_000
_MAX_PLANNED_AT_ONCE = 20
_MAX_CHUNKS_AT_ONCE = 250


class PredictionServicer(Gated, pb_grpc.PredictionServiceServicer):
    """Answers `playthrough.v1.PredictionService`."""

    def __init__(self, service: PredictionService, gate: Gate) -> None:
        """Answers with a service what the gate lets in."""
        super().__init__(gate)
        self._service = service
        self._thread = FairThread(_MOST_WAITING)
        self._unsent = UnsentAnswers()

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
        self.gate.counts.add_score(prediction.model, prediction.play_through_probability)
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
            request.request_id,
        )
        self.gate.counts.add_score(prediction.model, prediction.play_through_probability)
        return convert.predict_random_response(prediction)

    @answers
    async def RankTracks(self, request: pb.RankTracksRequest, context: Context) -> pb.RankTracksResponse:
        """Ranks tracks: a queue of songs at once, many tracks or the catalogue off the event loop."""
        validation.check_rank_tracks(request)
        peer = context.peer() or ""  # now: to ask a call that has ended crashes the process
        n_asked = len(request.track_ids)
        n_tracks = n_asked or self._service.catalogue_size(request.model)
        n_points = validation.check_curve_points(request, n_tracks)
        if not n_asked:
            validation.check_expected_size(request, n_tracks, self._service.mean_track_id_bytes)
        if 0 < n_asked <= _MAX_RANKED_AT_ONCE and n_points <= _MAX_POINTS_AT_ONCE:
            return self._unsent.hold(self._rank_tracks(request, peer), peer, context)
        kind = "queue" if n_asked else "catalogue"  # the one is not to wait for many of the other
        answer = await self._beside(kind, partial(self._rank_tracks, request, peer), context)
        return self._unsent.hold(answer, peer, context)

    @answers
    async def PlanPrefetch(
        self, request: pb.PlanPrefetchRequest, context: Context
    ) -> pb.PlanPrefetchResponse:
        """Plans for a play: a queue of songs at once, many or long tracks off the event loop."""
        check_plan_prefetch(request)
        peer = context.peer() or ""
        self._unsent.check(peer)
        complete = self._service.complete_play(convert.play_of(request))
        play = complete.play
        if len(play.queue) <= _MAX_PLANNED_AT_ONCE and play.missing_chunks <= _MAX_CHUNKS_AT_ONCE:
            return self._unsent.hold(self._plan_prefetch(request, complete), peer, context)
        answer = await self._beside("plan", partial(self._plan_prefetch, request, complete), context)
        return self._unsent.hold(answer, peer, context)

    @answers
    async def RecordOutcome(
        self, request: pb.RecordOutcomeRequest, context: Context
    ) -> pb.RecordOutcomeResponse:
        """Joins an outcome to its prediction, and answers once that is durable."""
        validation.check_record_outcome(request)
        await self._service.record_outcome(request.prediction_id, request.skipped, request.listened_ms)
        return pb.RecordOutcomeResponse()

    def close(self) -> None:
        """Ends the thread that ranks and plans."""
        self._thread.close()

    async def _beside(self, kind: str, work: Callable[[], Answer], context: Context) -> Answer:
        """Returns the answer of work that is too long for the event loop; kinds of work take turns."""
        return await self._thread.run(kind, CALLER.get(), work, context.time_remaining())

    def _rank_tracks(self, request: pb.RankTracksRequest, peer: str) -> pb.RankTracksResponse:
        self._unsent.check(peer)  # here, since answers may have piled up while it waited for the thread
        ranking = self._service.rank_tracks(
            request.model,
            request.track_ids,
            request.favourite_genres,
            convert.context_of(request),
            request.top_k,
            request.listening_curve_at_s,
        )
        response = convert.rank_tracks_response(ranking)
        validation.check_answer_size(response)
        return response

    def _plan_prefetch(
        self, request: pb.PlanPrefetchRequest, complete: CompletePlay
    ) -> pb.PlanPrefetchResponse:
        planned = self._service.plan_prefetch(
            request.model,
            request.version,
            complete,
            request.favourite_genres,
            convert.context_of(request),
            convert.weights_of(request),
        )
        return convert.plan_prefetch_response(planned)
