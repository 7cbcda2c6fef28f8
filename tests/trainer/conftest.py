"""A tiny generated data set, and one core for torch."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from data import Dataset, generate, read_dataset
from trainer import teacher
from trainer.options import Options
from trainer.recipes import RECIPES
from trainer.splits import Split


@pytest.fixture(autouse=True)
def _one_torch_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A developer's variables and `.env` do not reach the tests, nor do the trainer's outlast them."""
    for name in ("DATA_VERSION", "CUDA_USE_GPU", "PLAYTHROUGH_MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated data set of 400 plays."""
    directory = tmp_path_factory.mktemp("tiny")
    generate(directory, listeners=8, tracks=200, plays=400, seed=1)
    return directory


@pytest.fixture(scope="session")
def tiny_dataset(tiny_data: Path) -> Dataset:
    """The tiny data set, read."""
    return read_dataset(tiny_data)


@pytest.fixture(params=["published", "tuned"])
def few_epochs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Options:
    """A temporal run that ends at once, with a small teacher even for the tiny data set's few plays."""
    monkeypatch.setattr(teacher, "FEWEST_PLAYS", 100)
    for settings in ("_OF_KNOWN", "_OF_STRANGERS"):
        monkeypatch.setattr(teacher, settings, {**getattr(teacher, settings), "max_iter": 5})
    short = {name: replace(recipe, epochs=3) for name, recipe in RECIPES[request.param].items()}
    monkeypatch.setitem(RECIPES, request.param, short)
    return Options(request.param, Split.TEMPORAL, torch.device("cpu"))
