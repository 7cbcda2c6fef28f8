"""A request id makes a retry the same prediction: one answer, one document."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import grpc
import pytest
from pydantic import SecretStr
from pymongo import MongoClient

from cache_client.rpc.client import PredictionClient
from playthrough.v1 import limits
from playthrough.v1 import prediction_service_pb2 as pb
from server import app
from server.errors import StorageUnavailableError
from server.service import Prediction, PredictionService
from server.settings import ServerSettings
from tests.server.tiny_models import save_tiny_model

Serving = Callable[..., AbstractAsyncContextManager[Any]]


def documents(uri: str) -> list[dict[str, Any]]:
    with MongoClient[dict[str, Any]](uri) as client:
        return list(client.get_default_database()["predictions"].find())


async def test_a_retry_is_answered_as_the_first_time_also_after_a_restart_with_other_models(
    serving: Serving, track_ids: list[str], mongodb_uri: str, registry_directory: Path
) -> None:
    request = pb.PredictRandomRequest(track_id=track_ids[0], request_id="r-1")
    other = pb.PredictRandomRequest(track_id=track_ids[0], request_id="r-2")
    async with serving() as stub:
        first = await stub.PredictRandom(request)
        assert [await stub.PredictRandom(request) for _ in range(10)] == [first] * 10
        assert (await stub.PredictRandom(other)).prediction_id != first.prediction_id
    for name in ("simple", "advanced"):
        save_tiny_model(registry_directory, name, "2")
    async with serving() as stub:  # it waits in the spool
        assert await stub.PredictRandom(request) == first
        new = await stub.PredictRandom(pb.PredictRandomRequest(track_id=track_ids[0], request_id="r-3"))
        assert (first.version, new.version) == ("1", "2")
    for _ in range(2):  # and is in MongoDB
        async with serving(mongodb_uri=SecretStr(mongodb_uri)) as stub:
            assert await stub.PredictRandom(request) == first
        assert len(documents(mongodb_uri)) == 3
    (document,) = [it for it in documents(mongodb_uri) if it["_id"] == first.prediction_id]
    assert (document["model"], document["version"]) == (first.model, first.version)
    assert document["play_through_probability"] == first.play_through_probability


async def test_the_request_id_of_another_track_or_listener_is_refused(
    serving: Serving, track_ids: list[str]
) -> None:
    first = pb.PredictRandomRequest(track_id=track_ids[0], listener_id="7", request_id="r-1")
    async with serving() as stub:
        await stub.PredictRandom(first)
        for changes in ({"track_id": track_ids[1]}, {"listener_id": "8"}, {"listener_id": ""}):
            request = pb.PredictRandomRequest()
            request.CopyFrom(first)
            for name, value in changes.items():
                setattr(request, name, value)
            with pytest.raises(grpc.aio.AioRpcError, match="request_id: names an earlier") as caught:
                await stub.PredictRandom(request)
            assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        await stub.PredictRandom(first)


async def test_a_request_id_is_no_longer_than_the_contract_allows(
    serving: Serving, track_ids: list[str]
) -> None:
    async with serving() as stub:
        longest = pb.PredictRandomRequest(track_id=track_ids[0], request_id="x" * limits.MAX_STRING_LENGTH)
        await stub.PredictRandom(longest)
        longest.request_id += "x"
        with pytest.raises(grpc.aio.AioRpcError, match="request_id") as caught:
            await stub.PredictRandom(longest)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_call_that_grpc_repeats_for_the_client_makes_one_document(
    settings: ServerSettings, mongodb_uri: str, track_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first answers are lost on the way, after they were logged."""
    predict_random, made = PredictionService.predict_random, []

    async def lose_answers(service: PredictionService, *arguments: Any) -> Prediction:
        made.append(await predict_random(service, *arguments))
        if len(made) < 3:
            raise StorageUnavailableError("lost")
        return made[-1]

    monkeypatch.setattr(PredictionService, "predict_random", lose_answers)
    delivered = settings.model_copy(update={"mongodb_uri": SecretStr(mongodb_uri)})
    async with (
        app.running(delivered, lambda _line: None) as address,
        PredictionClient(address, deadline_s=30) as client,
    ):
        logged = await client.predict_random(track_ids[0], ["rock"])
    assert len(made) == 3
    assert [document["_id"] for document in documents(mongodb_uri)] == [logged.prediction_id]
