"""What the real server records of calls: ids that answers carry, and lines of the access log."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from playthrough.v1 import prediction_service_pb2 as pb
from server.access.caller import Caller
from server.rpc.security import Security
from server.service import PredictionService


async def id_of(call: Any) -> str | None:
    """Awaits a call's end; returns the id that the server gave it."""
    await call.code()
    ids = [value for key, value in await call.trailing_metadata() if key == "x-request-id"]
    assert len(ids) <= 1
    return ids[0] if ids else None


def lines_of(logs: list[Any]) -> list[dict[str, Any]]:
    return [line for line in logs if line["event"] == "call"]


async def test_with_nothing_switched_on_a_failure_alone_has_an_id(
    serving: Callable[..., Any], track_ids: list[str]
) -> None:
    good = pb.PredictRequest(track_id=track_ids[0])
    async with serving() as stub:
        assert await id_of(stub.Predict(good)) is None
        assert await id_of(stub.Predict(good, metadata=(("x-request-id", "mine"),))) is None
        assert await id_of(stub.Predict(pb.PredictRequest(), metadata=(("x-request-id", "mine"),))) == "mine"
        made = await id_of(stub.Predict(pb.PredictRequest()))
        assert made
        assert made != await id_of(stub.Predict(pb.PredictRequest(), metadata=(("x-request-id", "a b"),)))


async def test_a_failure_keeps_its_details_beside_its_id(serving: Callable[..., Any]) -> None:
    async with serving() as stub:
        call = stub.Predict(pb.PredictRequest())
        await call.code()
        keys = [key for key, _ in await call.trailing_metadata()]
    assert sorted(keys) == ["grpc-status-details-bin", "x-request-id"]


async def test_a_bug_is_logged_under_the_id_that_its_caller_sees(
    serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("secret-track")

    monkeypatch.setattr(PredictionService, "predict", fail)
    async with serving() as stub:
        with capture_logs() as logs:
            call = stub.Predict(pb.PredictRequest(track_id="secret-track"))
            call_id = await id_of(call)
    assert await call.code() is grpc.StatusCode.INTERNAL
    (failed,) = [line for line in logs if line["event"] == "call_failed"]
    assert failed["call_id"] == call_id
    assert "builtins.KeyError" in failed["exception"]
    assert "in fail" in failed["exception"]


async def test_a_line_says_who_called_what_and_how_it_ended(
    serving: Callable[..., Any], track_ids: list[str]
) -> None:
    good = pb.PredictRequest(model="simple", track_id=track_ids[0], favourite_genres=["rock"])
    with capture_logs() as logs:
        async with serving(access_log_sample=1.0) as stub:
            answer = await stub.Predict(good, metadata=(("x-request-id", "mine"),))
            refused = await id_of(stub.Predict(pb.PredictRequest()))
    answered, failed = lines_of(logs)
    assert answered.pop("duration_ms") > 0
    assert answered == {
        "event": "call",
        "log_level": "info",
        "call_id": "mine",
        "method": "Predict",
        "code": "OK",
        "model": "simple",
        "version": "1",
        "caller_kind": "anonymous",  # and no address
        "request_bytes": good.ByteSize(),
        "answer_bytes": answer.ByteSize(),
    }
    assert (failed["code"], failed["call_id"]) == ("INVALID_ARGUMENT", refused)


@pytest.mark.parametrize("kind", ["token", "certificate"])
async def test_a_line_names_a_caller_that_has_a_name(
    serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    monkeypatch.setattr(Security, "admit", lambda *_: Caller("player-backend", kind))
    with capture_logs() as logs:
        async with serving(access_log_sample=1.0) as stub:
            await stub.ListModels(pb.ListModelsRequest())
    (line,) = lines_of(logs)
    assert (line["caller_kind"], line["caller"]) == (kind, "player-backend")


async def test_who_is_refused_at_the_gate_is_nobody(serving: Callable[..., Any]) -> None:
    with capture_logs() as logs:
        async with serving(access_log_sample=1.0, max_in_flight=0) as stub:
            await id_of(stub.RankTracks(pb.RankTracksRequest()))
    (line,) = lines_of(logs)
    assert line["code"] == "RESOURCE_EXHAUSTED"
    assert not {"caller", "caller_kind"} & line.keys()


async def test_each_call_recorded_has_an_id_and_a_line_of_its_own(serving: Callable[..., Any]) -> None:
    with capture_logs() as logs:
        async with serving(access_log_sample=1.0) as stub:
            ids = [await id_of(stub.ListModels(pb.ListModelsRequest())) for _ in range(20)]
    assert len(set(ids)) == 20
    assert [line["call_id"] for line in lines_of(logs)] == ids
