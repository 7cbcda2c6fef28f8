"""The experiment's settings file, and what becomes of it."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr
from pymongo import MongoClient

from data import read_catalogue
from models.registry import Registry
from playthrough.v1 import prediction_service_pb2 as pb
from server.arm_models import ArmLoader, ExperimentFollower
from server.errors import StartError
from server.experiment.definition import ExperimentDefinition, equal_definition, read_definition, resolve
from server.file_watch import FileWatcher
from server.model_loading import ModelLoader, VersionLoader
from server.settings import ServerSettings
from tests.server.conftest import SaveModel, ServerFactory

FILE = """
name = "newer-against-older"
salt = "2030"
[[arms]]
name = "control"
model = "simple@1"
weight = 3
[[arms]]
model = "advanced"
"""
NEWEST = {"simple": "2", "advanced": "5"}


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_weights_become_probabilities_and_versions_are_settled(tmp_path: Path) -> None:
    experiment = resolve(read_definition(write(tmp_path / "e.toml", FILE)), NEWEST)
    told = [(arm.name, arm.model, arm.version, arm.probability) for arm in experiment.arms]
    assert told == [("advanced", "advanced", "5", 0.25), ("control", "simple", "1", 0.75)]
    assert experiment.name == "newer-against-older"


def test_without_a_file_all_models_share_the_traffic_equally() -> None:
    experiment = resolve(equal_definition("e", None, NEWEST), NEWEST)
    assert [(arm.name, arm.version, arm.probability) for arm in experiment.arms] == [
        ("advanced", "5", 0.5),
        ("simple", "2", 0.5),
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("weight = 3", "weight = 4"),
        ('salt = "2030"', 'salt = "2031"'),
        ("simple@1", "simple@2"),
        ("newer-against-older", "another"),
        ('name = "control"', 'name = "baseline"'),
    ],
)
def test_any_change_starts_another_phase_and_going_back_resumes_the_first(
    tmp_path: Path, before: str, after: str
) -> None:
    def phase(text: str, newest: dict[str, str] = NEWEST) -> str:
        return resolve(read_definition(write(tmp_path / "e.toml", text)), newest).phase

    first = phase(FILE)
    assert phase(FILE.replace(before, after)) != first
    assert phase(FILE + "# a comment\n") == first
    assert phase(FILE, NEWEST | {"advanced": "6"}) != first  # a newer model is another arm in all but name


def test_a_phase_is_the_same_in_every_process_and_release() -> None:
    definition = ExperimentDefinition.model_validate({"name": "e", "arms": [{"model": "simple"}]})
    assert resolve(definition, NEWEST).phase == "47a3a3646db8"


def test_other_bytes_of_the_same_version_start_another_phase(tmp_path: Path) -> None:
    experiment = resolve(read_definition(write(tmp_path / "e.toml", FILE)), NEWEST)
    keys = [(arm.model, arm.version) for arm in experiment.arms]
    one, other = ({key: digest * 16 for key in keys} for digest in "ab")
    phases = [experiment.with_digests(digests).phase for digests in (one, other, one)]
    assert phases[0] == phases[2] != phases[1]
    assert [arm.digest for arm in experiment.with_digests(one).arms] == ["a" * 16] * len(keys)
    chosen = [experiment.with_digests(digests).choose("101").name for digests in (one, other)]
    assert chosen == [experiment.choose("101").name] * 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name = ", "Invalid value"),
        ("\x00\x01", "Invalid"),
        ("a = " + "[" * 100_000, "nested too deeply"),
        ("#" * 1_000_000, "larger than 256 KiB"),
        ('name = "e"', "arms: Field required"),
        ('name = "e"\narms = []', "arms: List should have at least 1 item"),
        ('name = "e"\narms = [{model = "a", weight = 0}]', "arms.0.weight: Input should be greater than 0"),
        ('name = "e"\narms = [{model = "a@"}]', "arms.0.model: String should match"),
        ('name = "e"\narms = [{model = "a", wieght = 1}]', "arms.0.wieght: Extra inputs"),
        ('name = "e"\narms = [{model = "a"}, {model = "b", name = "a"}]', "two arms have the same name"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_the_place(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(StartError) as caught:
        read_definition(write(tmp_path / "e.toml", text))
    assert problem in str(caught.value)
    assert "e.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_model_that_is_not_served_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"cannot read .*nowhere\.toml"):
        read_definition(tmp_path / "nowhere.toml")
    with pytest.raises(StartError, match="not a file"):
        read_definition(tmp_path)
    definition = ExperimentDefinition.model_validate({"name": "e", "arms": [{"model": "gone"}]})
    with pytest.raises(StartError, match="no model 'gone' among advanced, simple"):
        resolve(definition, NEWEST)


def test_an_older_version_is_loaded_for_its_arm_and_a_missing_one_refused(
    settings: ServerSettings, save_model: SaveModel, tmp_path: Path
) -> None:
    save_model(settings.models, "simple", "2")
    registry, catalogue = Registry(settings.models), read_catalogue(settings.data_directory)
    versions = VersionLoader(registry, catalogue)
    library = ModelLoader(versions, None).load()
    changed = settings.model_copy(update={"experiment_file": write(tmp_path / "e.toml", FILE)})
    arms = ArmLoader(changed, versions)
    _, arm_models = arms.load(library)
    assert {key: model.predictor.version for key, model in arm_models.items()} == {
        ("simple", "1"): "1",
        ("advanced", "1"): "1",
    }
    assert arms.load(library)[1] == arm_models  # not loaded again
    for asked, problem in (
        ("simple@9", "asks for simple@9"),
        ("gone", "no model 'gone' among"),
        ("gone@1", "gone@1"),
    ):
        write(tmp_path / "e.toml", FILE.replace("simple@1", asked))
        with pytest.raises(StartError, match=problem):
            arms.load(library)


def test_an_arms_model_is_loaded_again_when_its_files_were_replaced(
    settings: ServerSettings, save_model: SaveModel, tmp_path: Path
) -> None:
    save_model(settings.models, "simple", "2")
    registry, catalogue = Registry(settings.models), read_catalogue(settings.data_directory)
    versions = VersionLoader(registry, catalogue)
    library = ModelLoader(versions, None).load()
    changed = settings.model_copy(update={"experiment_file": write(tmp_path / "e.toml", FILE)})
    arms = ArmLoader(changed, versions)
    before, models = arms.load(library)
    weights = settings.models / "simple" / "1" / "weights.safetensors"
    os.utime(weights, ns=(1, 1))
    after, replaced = arms.load(library)
    assert before.phase == after.phase
    assert replaced["simple", "1"] is not models["simple", "1"]
    assert replaced["advanced", "1"] is models["advanced", "1"]
    weights.write_bytes(b"broken")
    with pytest.raises(StartError, match="asks for simple@1"):
        arms.load(library)


async def test_two_looks_at_once_take_effect_one_after_the_other() -> None:
    """The file's watcher and the registry's: else the earlier look could end last, and win."""
    under_way = most = 0

    class Loader:
        def load(self, library: Any) -> Any:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            time.sleep(0.02)
            under_way -= 1
            return experiment, {}

    experiment = resolve(equal_definition("e", None, NEWEST), NEWEST)
    service = SimpleNamespace(library=None, experiment=experiment, arm_models={"old": None})
    follower = ExperimentFollower(Loader(), service)  # type: ignore[arg-type]
    await asyncio.gather(*(follower.follow() for _ in range(4)))
    assert most == 1
    assert service.arm_models == {}


async def test_a_watcher_sees_a_change_and_survives_a_bad_one(tmp_path: Path) -> None:
    path, calls = write(tmp_path / "e.toml", "one"), []

    async def changed() -> None:
        calls.append(path.read_text() if path.exists() else None)
        if len(calls) == 1:
            raise StartError("wrong")

    watcher = FileWatcher(path, changed, interval_s=0.01)
    watcher.start()
    for text in ("three", "seven"):
        write(tmp_path / "new", text)
        os.replace(tmp_path / "new", path)
        await eventually(lambda text=text: calls[-1:] == [text])  # type: ignore[misc]
    await watcher.stop()
    assert calls == ["three", "seven"]


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
        write(path, "name = ")
        await asyncio.sleep(1.5)
        assert await drawn(stub) == {("simple", 1.0)}  # a bad file changes nothing
        write(path, 'name = "e"\narms = [{model = "simple", weight = 1}, {model = "advanced", weight = 3}]')
        async with asyncio.timeout(60):
            while await drawn(stub) != {("simple", 0.25), ("advanced", 0.75)}:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        for listener in range(40):
            request = pb.PredictRandomRequest(track_id=track_ids[0], listener_id=str(listener))
            await stub.PredictRandom(request)
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        found = list(client.get_default_database()["predictions"].find())
    assert len({document["phase"] for document in found}) == 2
    later = [document for document in found if document["arm_probability"] != 1.0]
    assert len(later) == 40
    assert {(document["arm"], document["arm_probability"]) for document in later} == {
        ("simple", 0.25),
        ("advanced", 0.75),
    }
