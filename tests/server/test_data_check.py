import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from data import dataset_digest, read_catalogue, read_dataset
from models import Registry
from server.data_check import ServedData, check_data
from server.loaded_models import LoadedModels
from server.model_loader import ModelLoader


@pytest.fixture
def library(registry_directory: Path, data_directory: Path) -> LoadedModels:
    """Two models: simple was trained on the data set that is served, advanced on another one."""
    manifest = registry_directory / "simple" / "1" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("0" * 64, dataset_digest(data_directory)))
    served = ServedData(data_directory)
    return ModelLoader(Registry(registry_directory), read_catalogue(data_directory), None, served).load()


def test_the_digest_is_the_one_that_the_trainer_notes(data_directory: Path) -> None:
    assert dataset_digest(data_directory) == read_dataset(data_directory).digest


def test_models_of_another_data_set_are_named(library: LoadedModels, data_directory: Path) -> None:
    with capture_logs() as logs:
        check_data(library, ServedData(data_directory), warn=True)
    (warning,) = logs
    assert (warning["event"], warning["log_level"]) == ("models_of_other_data", "warning")
    assert (warning["models"], warning["data"]) == (["advanced 1"], str(data_directory))


def test_a_folder_of_the_catalogue_alone_passes(
    library: LoadedModels, data_directory: Path, tmp_path: Path
) -> None:
    for name in ("artists.jsonl", "tracks.jsonl", "track_storage.jsonl"):  # all that a server needs
        (tmp_path / name).write_bytes((data_directory / name).read_bytes())
    with capture_logs() as logs:
        check_data(library, ServedData(tmp_path), warn=True)
    assert logs == []
    assert ServedData(tmp_path).digest is None


def test_a_worker_that_is_not_to_warn_notes_the_data_set_as_it_is_now(
    library: LoadedModels, data_directory: Path, tmp_path: Path
) -> None:
    shutil.copytree(data_directory, tmp_path / "growing")
    served = ServedData(tmp_path / "growing")
    with capture_logs() as logs:
        check_data(library, served, warn=False)
    assert logs == []
    with (tmp_path / "growing" / "sessions.jsonl").open("a") as sessions:
        sessions.write("{}\n")
    assert served.digest == dataset_digest(data_directory)
