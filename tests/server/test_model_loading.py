from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from data import Catalogue, read_catalogue
from models.first_layer import YieldControl
from models.predictor import Predictor, load_predictor
from models.registry import Registry
from server.errors import StartError, UnknownModelError
from server.library import Library, choose_default
from server.model_loading import _REST_S, ModelLoader, VersionLoader

SaveModel = Callable[[Path, str, str], None]
Load = Callable[..., Library]


@pytest.fixture
def catalogue(data_directory: Path) -> Catalogue:
    return read_catalogue(data_directory)


@pytest.fixture
def load(registry_directory: Path, catalogue: Catalogue) -> Load:
    """Loads from the same registry again and again."""
    return ModelLoader(VersionLoader(Registry(registry_directory), catalogue), None).load


def break_version(registry: Path, name: str, version: str) -> bytes:
    weights = registry / name / version / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-10])
    return whole


def serving(library: Library) -> dict[str, str]:
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

    def load_version_but_2(directory: Path, catalogue: Catalogue, give_way: YieldControl) -> Predictor:
        if directory.name == "2":
            raise ZeroDivisionError("of\nsome library")
        return load_predictor(directory, catalogue, give_way)

    monkeypatch.setattr("server.model_loading.load_predictor", load_version_but_2)
    library = load()
    assert serving(library) == {"advanced": "1", "simple": "1"}
    (failed,) = library.failed
    assert failed.reason == "it cannot be loaded (ZeroDivisionError)"


def test_a_version_that_is_mended_is_tried_again(
    registry_directory: Path, load: Load, save_model: SaveModel
) -> None:
    save_model(registry_directory, "simple", "2")
    whole = break_version(registry_directory, "simple", "2")
    assert serving(load())["simple"] == "1"
    (registry_directory / "simple" / "2" / "weights.safetensors").write_bytes(whole)
    mended = load()
    assert (serving(mended)["simple"], mended.failed) == ("2", ())


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


def test_no_model_at_all_names_the_trainer(tmp_path: Path, catalogue: Catalogue) -> None:
    with pytest.raises(StartError, match="python -m trainer"):
        ModelLoader(VersionLoader(Registry(tmp_path / "nothing"), catalogue), None).load()


def test_the_default_is_the_configured_model_or_the_one_with_the_lowest_log_loss(load: Load) -> None:
    models = load().serving
    assert choose_default(models, None) == "advanced"
    assert choose_default(models, "simple") == "simple"
    with pytest.raises(StartError, match="'other' is not among those loaded"):
        choose_default(models, "other")


@pytest.mark.parametrize("gently", [True, False])
def test_a_load_rests_only_where_it_is_told_to_be_gentle(
    registry_directory: Path, catalogue: Catalogue, gently: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    monkeypatch.setattr("server.model_loading.time", SimpleNamespace(sleep=rests.append))
    versions = VersionLoader(Registry(registry_directory), catalogue)
    versions.gently = gently
    versions.load("simple", "1")
    assert rests == ([_REST_S] if gently else [])  # the catalogue is one chunk
