"""Data sets for the data room's tests: generated, hand-made, and the real releases where they are."""

import copy
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from data import Dataset, generate, read_dataset
from tests.data.clean import Plant, as_line, clean_records
from tests.data.tiny import Event, tiny_dataset
from tests.paths import SHARED_DATA


@pytest.fixture(scope="session")
def small_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("small") / "dataset"
    generate(directory, listeners=3, tracks=40, plays=60, seed=7)
    return directory


@pytest.fixture
def directory(small_directory: Path, tmp_path: Path) -> Path:
    """A data set of its own, to be broken."""
    return Path(shutil.copytree(small_directory, tmp_path / "dataset"))


@pytest.fixture(scope="session")
def sample_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as `python -m data generate` makes it by default."""
    directory = tmp_path_factory.mktemp("sample") / "sample"
    generate(directory)
    return directory


@pytest.fixture(scope="session")
def sample(sample_directory: Path) -> Dataset:
    return read_dataset(sample_directory)


def _real(version: str) -> Path:
    directory = SHARED_DATA / version
    if not directory.is_dir():
        pytest.skip(f"the real data set {version} is not at {directory}")
    return directory


@pytest.fixture(scope="session")
def v1_directory() -> Path:
    return _real("v1")


@pytest.fixture(scope="session")
def v2_directory() -> Path:
    return _real("v2")


@pytest.fixture(scope="session")
def v2(v2_directory: Path) -> Dataset:
    return read_dataset(v2_directory)


@pytest.fixture(scope="session")
def make_dataset() -> Callable[[Sequence[Event]], Dataset]:
    """Builds a data set of two tracks (a: 100 s, b: 200 s) and two listeners (1: free, 2: premium)."""
    return tiny_dataset


@pytest.fixture
def edit_line() -> Callable[[Path, int, Callable[[dict[str, Any]], Any]], None]:
    """Rewrites one line (from 1) of a JSONL file by a function of its object."""

    def edit(path: Path, number: int, change: Callable[[dict[str, Any]], Any]) -> None:
        lines = path.read_text().splitlines()
        record = json.loads(lines[number - 1])
        changed = change(record)
        lines[number - 1] = changed if isinstance(changed, str) else json.dumps(record)
        path.write_text("\n".join(lines) + "\n")

    return edit


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes the clean data set, with what `plant` changes in its records."""

    def make(plant: Plant = lambda records: None) -> Path:
        records = copy.deepcopy(clean_records())
        plant(records)
        directory = tmp_path / "dataset"
        directory.mkdir()
        for name, lines in records.items():
            content = b"".join(as_line(line) + b"\n" for line in lines)
            (directory / f"{name}.jsonl").write_bytes(content)
        return directory

    return make
