import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from data import Catalogue, read_catalogue
from models.predictor import Predictor, load_predictor
from models.registry import Registry
from server.data_check import ServedData
from server.errors import StartError, UnknownModelError
from server.loaded_models import LoadedModels
from server.model_loader import _REST_S, ModelLoader
from tests.server.tiny_models import save_tiny_model

SaveModel = Callable[[Path, str, str], None]
Load = Callable[..., LoadedModels]


@pytest.fixture
def catalogue(data_directory: Path) -> Catalogue:
    return read_catalogue(data_directory)


@pytest.fixture
def served(data_directory: Path) -> ServedData:
    return ServedData(data_directory)


@pytest.fixture
def load(registry_directory: Path, catalogue: Catalogue, served: ServedData) -> Load:
    """Loads from the same registry again and again."""
    return ModelLoader(Registry(registry_directory), catalogue, None, served).load


def break_version(registry: Path, name: str, version: str) -> bytes:
    weights = registry / name / version / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-10])
    return whole


def serving(library: LoadedModels) -> dict[str, str]:
    return {name: model.predictor.version for name, model in library.serving.items()}


def test_the_newest_version_of_each_model_serves_and_older_ones_answer_by_name(
    registry_directory: Path, load: Load, save_model: SaveModel
) -> None:
    for version in ("10", "9", "2"):
        save_model(registry_directory, "simple", version)
    library = load(2)
    assert serving(library) == {"advanced": "1", "simple": "10"}
    assert library.find("simple", "9").predictor.version == "9"
    with pytest.raises(UnknownModelError, match="version '2'"):
        library.find("simple", "2")


def test_a_corrupt_version_is_refused_with_its_reason_and_the_older_one_serves(
    registry_directory: Path, load: Load, save_model: SaveModel
) -> None:
    save_model(registry_directory, "simple", "2")
    break_version(registry_directory, "simple", "2")
    with capture_logs() as logs:
        library = load()
        assert load().failed == library.failed
    assert serving(library)["simple"] == "1"
    (failed,) = library.failed
    assert (failed.name, failed.version) == ("simple", "2")
    assert "checksum" in failed.reason
    (refusal,) = [line for line in logs if line["event"] == "model_refused"]  # told once, not at every look
    assert "\n" not in refusal["reason"]


def test_whatever_a_version_makes_the_libraries_raise_it_is_refused_and_the_others_serve(
    load: Load, registry_directory: Path, save_model: SaveModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(registry_directory, "simple", "2")

    def load_version_but_2(
        directory: Path, catalogue: Catalogue, yield_control: Callable[[], object]
    ) -> Predictor:
        if directory.name == "2":
            raise ZeroDivisionError("of\nsome library")
        return load_predictor(directory, catalogue, yield_control)

    monkeypatch.setattr("server.model_loader.load_predictor", load_version_but_2)
    library = load()
    assert serving(library) == {"advanced": "1", "simple": "1"}
    (failed,) = library.failed
    assert failed.reason == "it cannot be loaded (ZeroDivisionError)"


def test_a_version_that_is_repaired_is_tried_again(
    registry_directory: Path, load: Load, save_model: SaveModel
) -> None:
    save_model(registry_directory, "simple", "2")
    whole = break_version(registry_directory, "simple", "2")
    assert serving(load())["simple"] == "1"
    (registry_directory / "simple" / "2" / "weights.safetensors").write_bytes(whole)
    repaired = load()
    assert (serving(repaired)["simple"], repaired.failed) == ("2", ())


def test_a_version_that_is_loaded_is_not_loaded_again(load: Load) -> None:
    assert load().serving["simple"] is load().serving["simple"]


def test_a_model_whose_files_go_keeps_serving(registry_directory: Path, load: Load) -> None:
    load()
    (registry_directory / "simple").rename(registry_directory.parent / "away")
    assert serving(load()) == {"advanced": "1", "simple": "1"}


def test_a_model_without_a_good_version_leaves_the_others_serving_and_is_not_healthy(
    registry_directory: Path, load: Load
) -> None:
    break_version(registry_directory, "simple", "1")
    library = load()
    assert list(library.serving) == ["advanced"]
    assert library.health() == {"advanced": True, "simple": False}


def test_no_model_at_all_names_the_trainer(tmp_path: Path, catalogue: Catalogue, served: ServedData) -> None:
    with pytest.raises(StartError, match="python -m trainer --split temporal"):
        ModelLoader(Registry(tmp_path / "nothing"), catalogue, None, served).load()


def test_the_default_is_chosen_anew_from_what_serves(
    registry_directory: Path, load: Load, served: ServedData
) -> None:
    assert load().default_model == "advanced"
    save_tiny_model(registry_directory, "simple", "2", metrics={"log_loss": 0.5})
    assert load().default_model == "simple"
    save_tiny_model(registry_directory, "advanced", "2", data_digest=served.digest)
    library = load()
    assert library.default_model == "advanced"  # the only one that was measured on the data that is served
    assert str(served.digest)[:12] in library.default_reason


def test_a_pinned_default_serves_whatever_becomes_of_its_files(
    registry_directory: Path, catalogue: Catalogue, served: ServedData, save_model: SaveModel
) -> None:
    loader = ModelLoader(Registry(registry_directory), catalogue, "simple", served)
    assert (loader.load().default_model, loader.load().default_reason) == ("simple", "configured")
    save_model(registry_directory, "simple", "2")
    break_version(registry_directory, "simple", "2")
    assert loader.load().find("").predictor.version == "1"
    shutil.rmtree(registry_directory / "simple")
    assert loader.load().find("").predictor.name == "simple"


def test_a_pinned_default_that_cannot_be_loaded_is_refused(
    registry_directory: Path, catalogue: Catalogue, served: ServedData
) -> None:
    break_version(registry_directory, "simple", "1")
    with pytest.raises(StartError, match="'simple' is not among those loaded: advanced"):
        ModelLoader(Registry(registry_directory), catalogue, "simple", served).load()


@pytest.mark.parametrize("yielding", [True, False])
def test_a_load_rests_only_while_calls_are_answered(
    registry_directory: Path,
    catalogue: Catalogue,
    served: ServedData,
    yielding: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rests: list[float] = []
    monkeypatch.setattr("server.model_loader.time", SimpleNamespace(sleep=rests.append))
    loader = ModelLoader(Registry(registry_directory), catalogue, None, served)
    with loader.yielding() if yielding else nullcontext():
        loader.load()
    assert rests == ([_REST_S] * 2 if yielding else [])  # two models, each over a catalogue of one chunk


def test_a_pinned_version_is_listed_and_keeps_answering_when_its_files_go_or_break(
    registry_directory: Path, load: Load, save_model: SaveModel
) -> None:
    save_model(registry_directory, "simple", "2")
    pinned = load(1, [("simple", "1")])
    model = pinned.find("simple", "1")
    assert serving(pinned)["simple"] == "2"
    assert pinned.loaded["simple"] == (pinned.serving["simple"], model)
    break_version(registry_directory, "simple", "1")
    broken = load(1, [("simple", "1")])
    assert broken.find("simple", "1") is model
    assert broken.failed == ()  # it answers
    shutil.rmtree(registry_directory / "simple" / "1")
    assert load(1, [("simple", "1")]).find("simple", "1") is model
    with pytest.raises(UnknownModelError):
        load().find("simple", "1")


def test_a_pinned_version_that_cannot_be_loaded_is_refused(
    registry_directory: Path, load: Load, save_model: SaveModel
) -> None:
    with pytest.raises(StartError, match=r"asks for simple@9, which .* does not hold"):
        load(1, [("simple", "9")])
    save_model(registry_directory, "simple", "2")
    break_version(registry_directory, "simple", "2")
    with pytest.raises(StartError, match=r"asks for simple@2, which cannot be loaded: .*checksum"):
        load(1, [("simple", "2")])


def test_an_older_version_may_serve_while_a_newer_one_is_pinned(
    registry_directory: Path, load: Load, save_model: SaveModel
) -> None:
    save_model(registry_directory, "simple", "2")
    load(1, [("simple", "2")])
    shutil.rmtree(registry_directory / "simple" / "2")  # to go back, the newer folder is deleted
    library = load(1, [("simple", "2")])
    assert serving(library)["simple"] == "1"
    assert library.find("simple", "2").predictor.version == "2"
