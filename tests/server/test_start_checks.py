"""A server that cannot start says so before it loads, starts or writes anything."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data import DataError
from server import app
from server.errors import StartError
from server.settings import ServerSettings
from server.start_checks import check_start


def test_a_server_that_can_start_passes(settings: ServerSettings) -> None:
    check_start(settings)
    assert not settings.var_dir.exists()


def no_such_data(settings: ServerSettings, folder: Path) -> dict[str, Any]:
    return {"data": folder / "nowhere"}


def bad_data(settings: ServerSettings, folder: Path) -> dict[str, Any]:
    (folder / "data").mkdir()
    for file in settings.data_directory.iterdir():
        (folder / "data" / file.name).write_bytes(file.read_bytes() + b"{\n")
    return {"data": folder / "data"}


def no_models(settings: ServerSettings, folder: Path) -> dict[str, Any]:
    return {"models": folder}


def broken_models(settings: ServerSettings, folder: Path) -> dict[str, Any]:
    for weights in settings.models.glob("*/*/weights.safetensors"):
        weights.write_bytes(b"not weights")
    return {}


def other_default(settings: ServerSettings, folder: Path) -> dict[str, Any]:
    return {"default_model": "other"}


def broken_default(settings: ServerSettings, folder: Path) -> dict[str, Any]:
    (settings.models / "simple" / "1" / "weights.safetensors").write_bytes(b"not weights")
    return {"default_model": "simple"}


def bad_experiment(settings: ServerSettings, folder: Path) -> dict[str, Any]:
    (folder / "e.toml").write_text("name = ")
    return {"experiment_file": folder / "e.toml"}


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (no_such_data, "no such file"),
        (bad_data, "artists.jsonl|tracks.jsonl"),
        (no_models, "python -m trainer --split temporal"),
        (broken_models, "no model can be served from .* differs from its checksum"),
        (other_default, "default model 'other' cannot be served: .* holds advanced, simple"),
        (broken_default, "default model 'simple' cannot be served: .* differs from its checksum"),
        (bad_experiment, "e.toml"),
    ],
)
async def test_what_keeps_a_server_from_starting_leaves_nothing_behind(
    settings: ServerSettings,
    tmp_path: Path,
    spoil: Callable[[ServerSettings, Path], dict[str, Any]],
    problem: str,
) -> None:
    (tmp_path / "spoilt").mkdir()
    changes = spoil(settings, tmp_path / "spoilt")
    spoilt = settings.model_copy(update={"mongodb_uri": None, **changes})
    announced: list[str] = []
    with pytest.raises((StartError, DataError), match=problem):
        async with app.running(spoilt, announced.append):
            pass
    assert announced == []  # no database was started
    assert not settings.var_dir.exists()


@pytest.mark.parametrize("field", ["port", "metrics_port"])
def test_a_taken_port_is_seen_first(settings: ServerSettings, field: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        changed = settings.model_copy(update={field: taken.getsockname()[1]})
        with pytest.raises(StartError, match="cannot listen on"):
            check_start(changed)
