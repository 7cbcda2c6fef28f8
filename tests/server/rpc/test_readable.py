"""Bytes that are no message end as any other bad request, in each of the server's services."""

from typing import Any, cast

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from server import app
from server.call_counts import CallCounts
from server.rpc.calls import Gated, answers
from server.rpc.gate import Gate
from server.settings import ServerSettings

NO_MESSAGE = b"\xff\xff"


@pytest.mark.parametrize(
    "method",
    [
        *(
            f"/playthrough.v1.PredictionService/{name}"
            for name in (
                "ListModels",
                "Predict",
                "PredictRandom",
                "RankTracks",
                "PlanPrefetch",
                "RecordOutcome",
            )
        ),
        "/grpc.health.v1.Health/Check",
    ],
)
async def test_no_message_is_a_bad_request(
    settings: ServerSettings, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    async with app.running(settings, print) as address, grpc.aio.insecure_channel(address) as channel:
        call: Any = channel.unary_unary(method)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(NO_MESSAGE)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    assert status is not None
    bad = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(bad)
    assert [it.field for it in bad.field_violations] == ["request"]
    assert not caplog.records


async def test_streams_are_told_as_well(settings: ServerSettings, caplog: pytest.LogCaptureFixture) -> None:
    async with app.running(settings, print) as address, grpc.aio.insecure_channel(address) as channel:
        watch: Any = channel.unary_stream("/grpc.health.v1.Health/Watch")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watch(NO_MESSAGE).read()
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        method: Any = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        reflect = method()
        await reflect.write(NO_MESSAGE)
        assert b"invalid argument" in await reflect.read()  # an answer of reflection's own
        await reflect.done_writing()
    assert not caplog.records


class Servicer(Gated):
    """One method, that must not be called."""

    @answers
    async def Predict(self, request: Any, context: Any) -> None:
        raise AssertionError


class Context:
    """A call that ends with an error."""

    def peer(self) -> str:
        return ""

    async def abort_with_status(self, status: Any) -> None:
        raise LookupError


async def test_it_is_counted_as_a_call_of_the_method() -> None:
    """It passes the gate like every call, so that whoever sends such bytes is counted and limited."""
    counts, context = CallCounts(), cast(Any, Context())
    with pytest.raises(LookupError):
        await Servicer(Gate(counts, 1)).Predict(None, context)
    assert list(counts.ended) == [("Predict", "", "INVALID_ARGUMENT")]
