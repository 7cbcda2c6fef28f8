from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from data import Catalogue, read_catalogue
from server.errors import StartError
from server.loading import choose_default, load_models

SaveModel = Callable[[Path, str, str], None]


@pytest.fixture
def catalogue(data_directory: Path) -> Catalogue:
    return read_catalogue(data_directory)


def break_version(registry: Path, name: str, version: str) -> None:
    weights = registry / name / version / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])


def test_the_newest_version_of_each_model_is_loaded(
    registry_directory: Path, catalogue: Catalogue, save_model: SaveModel
) -> None:
    save_model(registry_directory, "simple", "10")
    save_model(registry_directory, "simple", "9")
    models = load_models(registry_directory, catalogue)
    assert {name: model.predictor.version for name, model in models.items()} == {
        "advanced": "1",
        "simple": "10",
    }


def test_a_corrupt_version_is_logged_and_the_older_one_serves(
    registry_directory: Path, catalogue: Catalogue, save_model: SaveModel
) -> None:
    save_model(registry_directory, "simple", "2")
    break_version(registry_directory, "simple", "2")
    with capture_logs() as logs:
        models = load_models(registry_directory, catalogue)
    assert models["simple"].predictor.version == "1"
    (refusal,) = [line for line in logs if line["event"] == "model_refused"]
    assert (refusal["model"], refusal["version"]) == ("simple", "2")
    assert "\n" not in refusal["reason"]


def test_a_model_without_a_good_version_leaves_the_others_serving(
    registry_directory: Path, catalogue: Catalogue
) -> None:
    break_version(registry_directory, "simple", "1")
    assert list(load_models(registry_directory, catalogue)) == ["advanced"]


def test_no_model_at_all_names_the_trainer(tmp_path: Path, catalogue: Catalogue) -> None:
    with pytest.raises(StartError, match="python -m trainer"):
        load_models(tmp_path / "nothing", catalogue)


def test_the_default_is_the_configured_model_or_the_one_with_the_lowest_log_loss(
    registry_directory: Path, catalogue: Catalogue
) -> None:
    models = load_models(registry_directory, catalogue)
    assert choose_default(models, None) == "advanced"
    assert choose_default(models, "simple") == "simple"
    with pytest.raises(StartError, match="'other' is not among those loaded"):
        choose_default(models, "other")
