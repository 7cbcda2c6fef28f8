"""What containers are told exists: each setting, and each command with its flags."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from cache_client.settings import CacheClientSettings
from server.settings import HealthSettings, ServerSettings
from tests.paths import ROOT
from tests.test_docs import find_app, parse
from trainer.settings import TrainerSettings

FILES = [
    ROOT / "Dockerfile",
    ROOT / "compose.yaml",
    *(path for path in sorted((ROOT / "deploy" / "kubernetes").rglob("*")) if path.is_file()),
]
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
SETTINGS = (ServerSettings, HealthSettings, TrainerSettings, CacheClientSettings)


def lines_of(value: Any) -> Iterator[str]:
    """Yields the texts in a YAML value; a list that is a command as one line."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and value[:2] == ["python", "-m"]:
        yield shlex.join(value)
    elif isinstance(value, (list, dict)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from lines_of(each)


def commands(path: Path) -> list[list[str]]:
    """The words behind `python -m` of each command in a file."""
    text = path.read_text()
    values = (
        yaml.safe_load_all(text)
        if path.suffix == ".yaml"
        else map(json.loads, re.findall(r"CMD (\[.*])", text))
    )
    found = re.findall(
        r"\bpython -m ([^;&|\n]+)", "\n".join(line for value in values for line in lines_of(value))
    )
    return [shlex.split(words) for words in found]


@each_file
def test_each_setting_exists(path: Path) -> None:
    known = {f"PLAYTHROUGH_{name.upper()}" for each in SETTINGS for name in each.model_fields}
    assert set(re.findall(r"PLAYTHROUGH_\w+", path.read_text())) <= known


@each_file
def test_each_command_and_flag_exists(path: Path) -> None:
    for words in commands(path):
        app = find_app(words[0])
        assert app is not None, words
        parse(typer.main.get_command(app), words)


def test_the_commands_are_found() -> None:
    """Of lists, of a shell's script, and of the Dockerfile's CMD and HEALTHCHECK."""
    found = {tuple(words[:2]) for path in FILES for words in commands(path)}
    assert found >= {
        ("server", "deliver"),
        ("server", "health"),
        ("server", "--data"),
        ("trainer", "--data"),
        ("server",),
    }
