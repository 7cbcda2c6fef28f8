import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from data import read_catalogue, read_dataset
from models import Registry
from server.data_check import dataset_digest, warn_of_other_data
from server.library import Library
from server.model_loader import ModelLoader


@pytest.fixture
def registry(registry_directory: Path) -> Registry:
    return Registry(registry_directory)


@pytest.fixture
def library(registry: Registry, data_directory: Path) -> Library:
    return ModelLoader(registry, read_catalogue(data_directory), None).load()


def trained_on(registry: Registry, name: str, digest: str) -> None:
    manifest = registry.path(name, "1") / "manifest.json"
    manifest.write_text(manifest.read_text().replace("0" * 64, digest))


def test_the_digest_is_the_one_that_the_trainer_notes(data_directory: Path) -> None:
    assert dataset_digest(data_directory) == read_dataset(data_directory).digest


def test_models_of_another_data_set_are_named(
    library: Library, registry: Registry, data_directory: Path
) -> None:
    trained_on(registry, "simple", dataset_digest(data_directory))
    with capture_logs() as logs:
        warn_of_other_data(library, registry, data_directory)
    (warning,) = logs
    assert (warning["event"], warning["log_level"]) == ("models_of_other_data", "warning")
    assert (warning["models"], warning["data"]) == (["advanced 1"], str(data_directory))


def test_what_cannot_be_compared_passes(
    library: Library, registry: Registry, data_directory: Path, tmp_path: Path
) -> None:
    for name in ("artists.jsonl", "tracks.jsonl", "track_storage.jsonl"):  # all that a server needs
        (tmp_path / name).write_bytes((data_directory / name).read_bytes())
    with capture_logs() as logs:
        warn_of_other_data(library, registry, tmp_path)
        shutil.rmtree(registry.root)
        warn_of_other_data(library, registry, data_directory)
    assert logs == []
