"""A servicer that answers by a script; run as a module, it serves until it is ended."""

import asyncio
import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc

PROBABILITIES = {"loved": 0.9, "liked": 0.7, "disliked": 0.2}
"""What the scripted server knows; every other track is unknown to it unless `knows_everything`."""


@dataclass
class ScriptedServicer(pb_grpc.PredictionServiceServicer):
    """Answers from `PROBABILITIES`, and misbehaves as told."""

    unavailable_for: int = 0
    unavailable_as: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    delay_s: float = 0.0
    status: grpc.StatusCode | None = None
    ranking: pb.RankTracksResponse | None = None
    knows_everything: bool = False
    required_inputs: list[str] = field(default_factory=lambda: ["favourite_genres"])
    model_fields: dict[str, Any] = field(default_factory=dict)
    requests: list[Any] = field(default_factory=list)
    peers: set[str] = field(default_factory=set)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    outcomes: dict[str, tuple[bool, int]] = field(default_factory=dict)
    prediction_numbers: Iterator[int] = field(default_factory=itertools.count)

    async def _misbehave(self, request: object, context: grpc.aio.ServicerContext[object, object]) -> None:
        self.requests.append(request)
        self.peers.add(context.peer())
        self.asked.set()
        await asyncio.sleep(self.delay_s)
        if self.unavailable_for > 0:
            self.unavailable_for -= 1
            await context.abort(self.unavailable_as, "draining")
        if self.status is not None:
            await context.abort(self.status, "as told")

    def _probability(self, track_id: str) -> float | None:
        # A stable figure from the id, so that a whole data set can be served.
        known = PROBABILITIES.get(track_id)
        return (
            0.1 + 0.8 * (sum(track_id.encode()) % 97) / 96
            if known is None and self.knows_everything
            else known
        )

    async def ListModels(self, request, context):  # type: ignore[no-untyped-def]
        await self._misbehave(request, context)
        model = pb.Model(name="simple", version="1", required_inputs=self.required_inputs, is_default=True)
        model.state, model.digest = pb.Model.STATE_SERVING, "0123456789abcdef"
        model.metrics["accuracy"] = 0.71
        model.loaded_at.FromDatetime(datetime(2024, 1, 1, tzinfo=UTC))
        model.MergeFrom(pb.Model(**self.model_fields))
        arm = pb.Arm(name="simple", model="simple", probability=1.0, version="1")
        experiment = pb.Experiment(name="test", arms=[arm])
        return pb.ListModelsResponse(models=[model], experiment=experiment)

    async def Predict(self, request, context):  # type: ignore[no-untyped-def]
        await self._misbehave(request, context)
        probability = self._probability(request.track_id)
        if request.track_id == "":
            await context.abort_with_status(_status(code_pb2.INVALID_ARGUMENT, "bad request", _bad_request()))
        if request.track_id == "crash":
            raise RuntimeError("a bug")
        if request.track_id == "busy":
            retry = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(nanos=250_000_000))
            await context.abort_with_status(_status(code_pb2.RESOURCE_EXHAUSTED, "over capacity", retry))
        if probability is None or request.model not in ("", "simple"):
            await context.abort(grpc.StatusCode.NOT_FOUND, f"unknown track '{request.track_id}'")
        assert probability is not None
        return pb.PredictResponse(
            skipped=probability < 0.5, play_through_probability=probability, model="simple", version="1"
        )

    async def PredictRandom(self, request, context):  # type: ignore[no-untyped-def]
        await self._misbehave(request, context)
        probability = self._probability(request.track_id)
        if probability is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"unknown track '{request.track_id}'")
        assert probability is not None
        return pb.PredictRandomResponse(
            skipped=probability < 0.5,
            play_through_probability=probability,
            model="simple",
            version="1",
            prediction_id=f"p{next(self.prediction_numbers)}",
        )

    async def RankTracks(self, request, context):  # type: ignore[no-untyped-def]
        await self._misbehave(request, context)
        if request.model not in ("", "simple"):
            await context.abort(grpc.StatusCode.NOT_FOUND, f"unknown model '{request.model}'")
        if self.ranking is not None:
            return self.ranking
        asked = list(dict.fromkeys(request.track_ids)) or list(PROBABILITIES)
        known = {t: p for t in asked if (p := self._probability(t)) is not None}
        best = sorted(known, key=lambda track_id: -known[track_id])[: request.top_k or None]
        return pb.RankTracksResponse(
            tracks=[
                pb.RankedTrack(track_id=t, play_through_probability=known[t], skipped=known[t] < 0.5)
                for t in best
            ],
            unknown_track_ids=[t for t in asked if t not in known],
            model="simple",
            version="1",
        )

    async def RecordOutcome(self, request, context):  # type: ignore[no-untyped-def]
        await self._misbehave(request, context)
        self.outcomes.setdefault(request.prediction_id, (request.skipped, request.listened_ms))
        return pb.RecordOutcomeResponse()

    async def PlanPrefetch(self, request, context):  # type: ignore[no-untyped-def]
        await self._misbehave(request, context)
        return pb.PlanPrefetchResponse(model="simple", version="1")


def _bad_request() -> error_details_pb2.BadRequest:
    violation = error_details_pb2.BadRequest.FieldViolation(field="track_id", description="must not be empty")
    return error_details_pb2.BadRequest(field_violations=[violation])


def _status(code: int, message: str, detail: object) -> grpc.Status:
    packed = any_pb2.Any()
    packed.Pack(detail)  # type: ignore[arg-type]
    status = rpc_status.to_status(status_pb2.Status(code=code, message=message, details=[packed]))
    assert isinstance(status, grpc.Status)
    return status


async def serve(model_fields: dict[str, Any]) -> None:
    """Serves every track and lists a model of these fields, on a free port that it prints."""
    server = grpc.aio.server()
    servicer = ScriptedServicer(knows_everything=True, model_fields=model_fields)
    pb_grpc.add_PredictionServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1]) if sys.argv[1:] else {}))
