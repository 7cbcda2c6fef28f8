"""The experiment's file and the registry, followed while the server runs."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr
from pymongo import MongoClient
from structlog.testing import capture_logs

from data import read_catalogue
from models import Registry
from playthrough.v1 import prediction_service_pb2 as pb
from server.data_check import ServedData
from server.errors import StartError
from server.experiment.assignment import Experiment
from server.hot_swap import HotSwap, load_models
from server.loaded_models import LoadedModels
from server.model_loader import ModelLoader
from server.settings import ServerSettings
from tests.server.conftest import SaveModel, ServerFactory
from tests.server.tiny_models import save_tiny_model

TEMPORAL = {"kind": "temporal", "test_share": 0.2, "seed": 42}

FILE = """
name = "newer-against-older"
[[arms]]
name = "control"
model = "simple@1"
[[arms]]
model = "advanced"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "e.toml", FILE)


@pytest.fixture
def with_file(settings: ServerSettings, file: Path, save_model: SaveModel) -> ServerSettings:
    """Settings with the file, and a registry where `simple` has a second version."""
    save_model(settings.models, "simple", "2")
    return settings.model_copy(update={"experiment_file": file})


@pytest.fixture
def loader(settings: ServerSettings) -> ModelLoader:
    catalogue, served = read_catalogue(settings.data_directory), ServedData(settings.data_directory)
    return ModelLoader(Registry(settings.models), catalogue, settings.default_model, served)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def service_of(loaded: tuple[LoadedModels, Experiment]) -> SimpleNamespace:
    return SimpleNamespace(library=loaded[0], experiment=loaded[1])


def test_an_older_version_is_loaded_for_its_arm_and_a_missing_one_refused(
    loader: ModelLoader, with_file: ServerSettings, file: Path
) -> None:
    library, experiment = load_models(loader, with_file)
    assert {(arm.model, arm.version) for arm in experiment.arms} == {("simple", "1"), ("advanced", "1")}
    again, _ = load_models(loader, with_file)
    for arm in experiment.arms:
        model = library.find(arm.model, arm.version)
        assert model.predictor.version == arm.version
        assert again.find(arm.model, arm.version) is model  # not loaded again
    for asked, problem in (
        ("simple@9", "asks for simple@9"),
        ("gone", "no model 'gone' among"),
        ("gone@1", "gone@1"),
    ):
        write(file, FILE.replace("simple@1", asked))
        with pytest.raises(StartError, match=problem):
            load_models(loader, with_file)


def test_an_arms_model_is_loaded_again_when_its_files_were_replaced(
    loader: ModelLoader, with_file: ServerSettings
) -> None:
    before, experiment = load_models(loader, with_file)
    os.utime(with_file.models / "simple" / "1" / "weights.safetensors", ns=(1, 1))
    after, same = load_models(loader, with_file)
    assert same.phase == experiment.phase
    assert after.find("simple", "1") is not before.find("simple", "1")
    assert after.find("advanced", "1") is before.find("advanced", "1")


async def test_two_looks_at_once_take_effect_one_after_the_other(settings: ServerSettings) -> None:
    """The file's and the registry's: else the earlier look could end last, and win."""
    under_way = most = 0

    class Loader:
        def load(self, *_args: Any) -> Any:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            time.sleep(0.02)
            under_way -= 1
            raise StartError("nothing")

    service = SimpleNamespace(library=None, experiment=SimpleNamespace(arms=[]))
    swap = HotSwap(Loader(), settings, service, lambda: None)  # type: ignore[arg-type]
    await asyncio.gather(*(swap.reload() for _ in range(4)))
    assert most == 1


async def test_a_wrong_file_keeps_the_experiment_while_new_models_are_swapped_in(
    loader: ModelLoader, with_file: ServerSettings, file: Path, save_model: SaveModel
) -> None:
    library, experiment = load_models(loader, with_file)
    service = service_of((library, experiment))
    swap = HotSwap(loader, with_file, service, lambda: None)  # type: ignore[arg-type]
    await swap.look_at_experiment_file()
    assert service.library is library  # nothing has changed
    write(file, "name = ")
    save_model(with_file.models, "simple", "3")
    with capture_logs() as logs:
        await swap.look_at_experiment_file()
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["experiment_file_refused"]
    assert service.experiment.phase == experiment.phase
    assert service.library.serving["simple"].predictor.version == "3"
    for arm in experiment.arms:
        assert service.library.find(arm.model, arm.version) is library.find(arm.model, arm.version)
    write(file, FILE.replace("simple@1", "simple"))
    await swap.look_at_experiment_file()
    assert {(arm.name, arm.version) for arm in service.experiment.arms} == {
        ("control", "3"),
        ("advanced", "1"),
    }


@pytest.fixture
def three_temporal(settings: ServerSettings) -> Path:
    """A registry of three models of one temporal split, of which contextual is the best."""
    for name, log_loss in (("simple", 0.52), ("advanced", 0.49), ("contextual", 0.48)):
        save_tiny_model(settings.models, name, "2", split=TEMPORAL, metrics={"log_loss": log_loss})
    return settings.models


async def test_one_model_of_another_split_does_not_become_the_default_by_that(
    loader: ModelLoader, settings: ServerSettings, three_temporal: Path
) -> None:
    service = service_of(load_models(loader, settings))
    swap = HotSwap(loader, settings, service, lambda: None)  # type: ignore[arg-type]
    for version, kind in (("3", "random"), ("4", "listener")):
        split = {**TEMPORAL, "kind": kind}
        save_tiny_model(three_temporal, "advanced", version, split=split, metrics={"log_loss": 0.3})
        with capture_logs() as logs:
            await swap.reload()
        assert service.library.serving["advanced"].predictor.version == version
        assert service.library.default_model == "contextual"
        assert "default_model_changed" not in [line["event"] for line in logs]


async def test_a_changed_default_is_logged_with_the_reason(
    loader: ModelLoader, settings: ServerSettings, three_temporal: Path
) -> None:
    service = service_of(load_models(loader, settings))
    swap = HotSwap(loader, settings, service, lambda: None)  # type: ignore[arg-type]
    split = {**TEMPORAL, "kind": "listener"}
    save_tiny_model(three_temporal, "contextual", "3", split=split, refitted=True, metrics={"log_loss": 0.55})
    with capture_logs() as logs:
        await swap.reload()
    (changed,) = [line for line in logs if line["event"] == "default_model_changed"]
    assert changed["log_level"] == "warning"
    assert (changed["before"], changed["after"]) == ("contextual", "advanced")
    assert changed["reason"].startswith(
        "the lowest log loss of advanced, simple: temporal split of data 0000"
    )


async def test_a_pinned_default_stays_whatever_is_swapped_in(
    settings: ServerSettings, three_temporal: Path
) -> None:
    pinned = settings.model_copy(update={"default_model": "simple"})
    catalogue, served = read_catalogue(settings.data_directory), ServedData(settings.data_directory)
    loader = ModelLoader(Registry(settings.models), catalogue, "simple", served)
    service = service_of(load_models(loader, pinned))
    swap = HotSwap(loader, pinned, service, lambda: None)  # type: ignore[arg-type]
    shutil.rmtree(three_temporal / "simple")
    save_tiny_model(three_temporal, "advanced", "3", split=TEMPORAL, metrics={"log_loss": 0.1})
    with capture_logs() as logs:
        await swap.reload()
    assert service.library.default_model == "simple"
    assert service.library.serving["advanced"].predictor.version == "3"
    assert "registry_unusable" not in [line["event"] for line in logs]


async def test_a_file_of_an_unknown_model_holds_up_no_version_although_a_pinned_one_was_deleted(
    loader: ModelLoader, with_file: ServerSettings, file: Path, save_model: SaveModel
) -> None:
    library, experiment = load_models(loader, with_file)
    pinned = library.find("simple", "1")
    service = SimpleNamespace(library=library, experiment=experiment)
    swap = HotSwap(loader, with_file, service, lambda: None)  # type: ignore[arg-type]
    shutil.rmtree(with_file.models / "simple" / "1")
    write(file, FILE.replace("simple@1", "unknown"))
    for version in ("3", "4"):
        save_model(with_file.models, "simple", version)
        with capture_logs() as logs:
            await swap.reload()
        assert [line["event"] for line in logs if line["log_level"] == "error"] == ["experiment_file_refused"]
        assert service.library.serving["simple"].predictor.version == version
        assert service.library.find("simple", "1") is pinned
        assert service.experiment.phase == experiment.phase


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_running_server_follows_its_file_and_logs_each_phase_apart(
    serving: ServerFactory, track_ids: list[str], mongodb_uri: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "e.toml", 'name = "e"\narms = [{model = "simple"}]')

    async def drawn(stub: Any) -> set[tuple[str, float]]:
        arms = (await stub.ListModels(pb.ListModelsRequest())).experiment.arms
        return {(arm.name, arm.probability) for arm in arms}

    async with serving(experiment_file=path, mongodb_uri=SecretStr(mongodb_uri)) as stub:
        request = pb.PredictRandomRequest(track_id=track_ids[0], listener_id="7")
        assert (await stub.PredictRandom(request)).model == "simple"
        with capture_logs() as logs:
            write(path, "name = ")
            await eventually(lambda: "experiment_file_refused" in [line["event"] for line in logs])
        assert await drawn(stub) == {("simple", 1.0)}  # a bad file changes nothing
        arms = 'arms = [{model = "simple", weight = 1}, {model = "advanced", weight = 3}]'
        write(path, f'name = "e"\nmetric = "brier"\n{arms}')
        async with asyncio.timeout(60):
            while await drawn(stub) != {("simple", 0.25), ("advanced", 0.75)}:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert (await stub.ListModels(pb.ListModelsRequest())).experiment.metric == "brier"
        for listener in range(40):
            request = pb.PredictRandomRequest(track_id=track_ids[0], listener_id=str(listener))
            await stub.PredictRandom(request)
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        found = list(client.get_default_database()["predictions"].find())
    assert len({document["phase"] for document in found}) == 2
    later = [document for document in found if document["arm_probability"] != 1.0]
    assert len(later) == 40
    assert {(document["phase"] == later[0]["phase"], document["metric"]) for document in found} == {
        (False, "accuracy"),
        (True, "brier"),
    }
    assert {(document["arm"], document["arm_probability"]) for document in later} == {
        ("simple", 0.25),
        ("advanced", 0.75),
    }
