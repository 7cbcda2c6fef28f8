"""A new version while the server serves: swapped in, refused, named, and told by health."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from data import DataError
from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server import app
from server.model_loader import ModelLoader
from server.settings import ServerSettings
from tests.data.defects.planted import generate_with_defects

SaveModel = Callable[[Path, str, str], None]
Serving = Callable[..., AbstractAsyncContextManager[Any]]
SERVICE = "playthrough.v1.PredictionService"


@pytest_asyncio.fixture
async def channel(settings: ServerSettings) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a server that looks at its registry all the time."""
    watching = settings.model_copy(update={"registry_poll_s": 0.02})
    async with (
        app.running(watching, lambda _line: None) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        yield channel


async def until_listed(stub: Any, name: str, version: str) -> pb.Model:
    """Waits until a version is listed."""
    async with asyncio.timeout(60):
        while True:
            listed: pb.ListModelsResponse = await stub.ListModels(pb.ListModelsRequest())
            for model in listed.models:
                if (model.name, model.version) == (name, version):
                    return model
            await asyncio.sleep(0.02)


async def test_a_new_version_is_swapped_in_and_no_call_fails_meanwhile(
    channel: grpc.aio.Channel, registry_directory: Path, track_ids: list[str], save_model: SaveModel
) -> None:
    stub: Any = pb_grpc.PredictionServiceStub(channel)
    request = pb.PredictRequest(model="simple", track_id=track_ids[0])
    answered: list[str] = []
    ending = asyncio.Event()

    async def call() -> None:
        while not ending.is_set():
            answered.append((await stub.Predict(request)).version)

    callers = [asyncio.create_task(call()) for _ in range(8)]
    await asyncio.to_thread(save_model, registry_directory, "simple", "2")
    listed = await until_listed(stub, "simple", "2")
    assert (await stub.Predict(request)).version == "2"
    ending.set()
    await asyncio.gather(*callers)  # raises what any call raised
    assert listed.state == pb.Model.STATE_SERVING
    assert set(answered) <= {"1", "2"}
    assert (await until_listed(stub, "simple", "1")).state == pb.Model.STATE_STANDBY


async def test_a_load_yields_the_core_exactly_while_calls_are_answered(
    settings: ServerSettings,
    registry_directory: Path,
    save_model: SaveModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    yielded: list[bool] = []
    loaders: set[ModelLoader] = set()

    def record(loader: ModelLoader) -> None:
        yielded.append(loader._yielding)
        loaders.add(loader)

    monkeypatch.setattr(ModelLoader, "_yield_control", record)
    watching = settings.model_copy(update={"registry_poll_s": 0.02})
    async with (
        app.running(watching, lambda _line: None) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        assert yielded
        assert not any(yielded), "nobody waits for a server that starts"
        await asyncio.to_thread(save_model, registry_directory, "simple", "2")
        await until_listed(pb_grpc.PredictionServiceStub(channel), "simple", "2")
        assert any(yielded)
    (loader,) = loaders
    assert not loader._yielding, "a server that stops waits for a load under way"


async def test_predict_may_name_a_version(
    channel: grpc.aio.Channel, registry_directory: Path, track_ids: list[str], save_model: SaveModel
) -> None:
    stub: Any = pb_grpc.PredictionServiceStub(channel)
    await asyncio.to_thread(save_model, registry_directory, "simple", "2")
    await until_listed(stub, "simple", "2")
    for version in ("1", "2"):
        request = pb.PredictRequest(model="simple", version=version, track_id=track_ids[0])
        assert (await stub.Predict(request)).version == version
    with pytest.raises(grpc.aio.AioRpcError, match="version '7'") as caught:
        await stub.Predict(pb.PredictRequest(model="simple", version="7", track_id=track_ids[0]))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_predict_random_draws_the_new_version(
    channel: grpc.aio.Channel, registry_directory: Path, track_ids: list[str], save_model: SaveModel
) -> None:
    stub: Any = pb_grpc.PredictionServiceStub(channel)
    for name in ("simple", "advanced"):
        await asyncio.to_thread(save_model, registry_directory, name, "2")
    async with asyncio.timeout(60):
        while (await stub.PredictRandom(pb.PredictRandomRequest(track_id=track_ids[0]))).version != "2":  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_bad_version_is_listed_with_its_reason_while_the_old_one_serves(
    channel: grpc.aio.Channel, registry_directory: Path, track_ids: list[str], save_model: SaveModel
) -> None:
    stub: Any = pb_grpc.PredictionServiceStub(channel)
    elsewhere = registry_directory.parent / "elsewhere"
    save_model(elsewhere, "simple", "2")
    (elsewhere / "simple" / "2" / "weights.safetensors").write_bytes(b"not weights")
    (elsewhere / "simple" / "2").rename(registry_directory / "simple" / "2")
    listed = await until_listed(stub, "simple", "2")
    assert listed.state == pb.Model.STATE_FAILED
    assert "weights.safetensors differs from its checksum" in listed.failure_reason
    assert not listed.is_default
    assert (await stub.Predict(pb.PredictRequest(model="simple", track_id=track_ids[0]))).version == "1"


async def test_health_follows_each_model(
    channel: grpc.aio.Channel, registry_directory: Path, save_model: SaveModel
) -> None:
    health: Any = health_pb2_grpc.HealthStub(channel)

    async def status_of(model: str) -> int:
        request = health_pb2.HealthCheckRequest(service=f"{SERVICE}/{model}")
        status: int = (await health.Check(request)).status
        return status

    assert await status_of("simple") == health_pb2.HealthCheckResponse.SERVING
    elsewhere = registry_directory.parent / "elsewhere"
    save_model(elsewhere, "broken", "1")
    (elsewhere / "broken" / "1" / "weights.safetensors").write_bytes(b"not weights")
    (elsewhere / "broken").rename(registry_directory / "broken")
    await until_listed(pb_grpc.PredictionServiceStub(channel), "broken", "1")
    assert await status_of("broken") == health_pb2.HealthCheckResponse.NOT_SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await status_of("nobody")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_data_set_with_defects_is_refused_unless_leniently_read(
    serving: Serving, tmp_path: Path
) -> None:
    """The trainer trains on it with the same flag; what it trained must be servable."""
    generate_with_defects(tmp_path / "defects", listeners=50, tracks=400, plays=4000)
    with pytest.raises(DataError):
        async with serving(data=tmp_path / "defects"):
            pass
    with capture_logs() as logs:
        async with serving(data=tmp_path / "defects", lenient=True) as stub:
            ranked = await stub.RankTracks(pb.RankTracksRequest(top_k=3))
    assert len(ranked.tracks) == 3
    assert [line for line in logs if line["event"] == "data_repaired"]


async def test_a_deleted_version_that_an_arm_pins_answers_and_is_listed(
    serving: Serving, registry_directory: Path, track_ids: list[str], save_model: SaveModel, tmp_path: Path
) -> None:
    save_model(registry_directory, "simple", "2")
    save_model(registry_directory, "simple", "3")
    file = tmp_path / "e.toml"
    file.write_text('name = "e"\narms = [{model = "simple@1"}]')
    async with serving(experiment_file=file, registry_poll_s=0.02, versions_kept=1) as stub:
        shutil.rmtree(registry_directory / "simple" / "1")
        await asyncio.to_thread(save_model, registry_directory, "simple", "4")
        await until_listed(stub, "simple", "4")
        answer = await stub.PredictRandom(pb.PredictRandomRequest(track_id=track_ids[0]))
        listed = (await stub.ListModels(pb.ListModelsRequest())).models
    assert answer.version == "1"
    states = [(model.version, model.state) for model in listed if model.name == "simple"]
    assert states == [("4", pb.Model.STATE_SERVING), ("1", pb.Model.STATE_STANDBY)]
    assert len({model.digest for model in listed}) == len(listed)


async def test_a_start_logs_no_swap_and_a_new_version_logs_one(
    serving: Serving, registry_directory: Path, save_model: SaveModel
) -> None:
    save_model(registry_directory, "simple", "2")
    with capture_logs() as logs:
        async with serving(registry_poll_s=0.02) as stub:
            await until_listed(stub, "simple", "1")  # the first look has loaded the older version
            assert not [line for line in logs if line["event"] == "models_swapped"]
            await asyncio.to_thread(save_model, registry_directory, "simple", "3")
            await until_listed(stub, "simple", "3")
            async with asyncio.timeout(60):
                while not [line for line in logs if line["event"] == "models_swapped"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
    (swapped,) = [line for line in logs if line["event"] == "models_swapped"]
    assert swapped["serving"] == {"advanced": "1", "simple": "3"}
