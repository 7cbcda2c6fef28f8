"""`simulate --scenario rationed` as a person runs it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cache_client.cli import app
from data import generate, read_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rationed") / "tiny"
    generate(folder, listeners=6, tracks=60, plays=400, seed=1)
    return folder


@contextmanager
def serving(**model_fields: Any) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.cache_client.scripted_server", json.dumps(model_fields)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip().removeprefix("listening on ")
        process.terminate()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as target:
        yield target


def run(*arguments: object) -> Result:
    flags = ["simulate", "--scenario", "rationed", *map(str, arguments)]
    return CliRunner().invoke(app, flags)


def test_the_json_has_the_figures_that_others_rely_on(server: str, data: Path) -> None:
    done = run("--data", data, "--server", server, "--json", "-")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["plays"] > 0
    assert list(report["budgets"]) == ["0.1", "0.25", "0.5"]
    wanted = {"random", "shortest", "past-rate", "replays", "simple", "advisor", "oracle"}
    for budget in report["budgets"].values():
        assert set(budget["bytes"]) == set(budget["plays"]) == wanted
        assert all(set(it) == {"wasted_ratio", "heard_s_per_mb"} for it in budget["bytes"].values())
        assert all(set(it) == {"completed_covered"} for it in budget["plays"].values())
    low, high = report["intervals"]["0.5"]["bytes"]["advisor"]["wasted_ratio"]
    assert low <= report["budgets"]["0.5"]["bytes"]["advisor"]["wasted_ratio"] <= high
    assert report["spent"]["0.5"]["plays"]["advisor"]["spent_ratio"] <= 1.0
    assert len(report["gains"]["0.5"]["plays"]["advisor"]["share_of_oracle"]) == 3


def test_the_table_and_the_page_are_written(server: str, data: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = run("--data", data, "--server", server, "--html", page)
    assert done.exit_code == 0, done.stderr
    for words in ("past-rate", "oracle", "less waste than by the past rate", "the advisor asks simple"):
        assert words in done.stdout
    assert "Who gets the bytes" in page.read_text()


def test_a_model_that_has_seen_the_plays_is_refused(data: Path) -> None:
    with serving(split="listener", data_digest=read_dataset(data).digest) as target:
        refused = run("--data", data, "--server", target)
        assert refused.exit_code == 1
        assert "refitted on all plays" in refused.stderr
        assert run("--data", data, "--server", target, "--allow-refitted").exit_code == 0


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--model", "magic"), "serves no model 'magic'"),
        (("--json", "/nowhere/at/all.json"), "no such folder"),
        (("--models", "nowhere"), "give --server or --models"),
    ],
)
def test_mistakes_are_one_line(server: str, data: Path, flags: tuple[str, ...], words: str) -> None:
    done = run("--data", data, "--server", server, *flags)
    assert done.exit_code == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert words in done.stderr


@pytest.mark.parametrize("flags", [("--policy", "advisor"), ("--link-trace", "any")], ids=str)
def test_flags_without_a_meaning_here_are_a_usage_error(data: Path, flags: tuple[str, str]) -> None:
    done = run("--data", data, *flags)
    assert done.exit_code == 2
    assert flags[0] in done.stderr
