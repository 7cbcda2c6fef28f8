from pathlib import Path

import pytest
from structlog.testing import capture_logs

from data import dataset_digest, read_catalogue, read_dataset
from models import Registry
from server.data_check import warn_of_other_data
from server.loaded_models import LoadedModels
from server.model_loader import ModelLoader


@pytest.fixture
def library(registry_directory: Path, data_directory: Path) -> LoadedModels:
    """Two models: simple was trained on the data set that is served, advanced on another one."""
    manifest = registry_directory / "simple" / "1" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("0" * 64, dataset_digest(data_directory)))
    return ModelLoader(Registry(registry_directory), read_catalogue(data_directory), None).load()


def test_the_digest_is_the_one_that_the_trainer_notes(data_directory: Path) -> None:
    assert dataset_digest(data_directory) == read_dataset(data_directory).digest


def test_models_of_another_data_set_are_named(library: LoadedModels, data_directory: Path) -> None:
    with capture_logs() as logs:
        warn_of_other_data(library, data_directory)
    (warning,) = logs
    assert (warning["event"], warning["log_level"]) == ("models_of_other_data", "warning")
    assert (warning["models"], warning["data"]) == (["advanced 1"], str(data_directory))


def test_a_folder_of_the_catalogue_alone_passes(
    library: LoadedModels, data_directory: Path, tmp_path: Path
) -> None:
    for name in ("artists.jsonl", "tracks.jsonl", "track_storage.jsonl"):  # all that a server needs
        (tmp_path / name).write_bytes((data_directory / name).read_bytes())
    with capture_logs() as logs:
        warn_of_other_data(library, tmp_path)
    assert logs == []
