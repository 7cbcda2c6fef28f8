"""The Makefile passes any folder on as it is, and serves what the demo has trained."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.paths import ROOT

# Stands in for `.venv/bin/python`: notes what it was asked for, "trains" a model where there is none, and
# "serves" the demo until it is ended.
PYTHON = """#!/usr/bin/env python3
import json, os, pathlib, signal, sys
arguments = sys.argv[2:]
with open(os.environ["ASKED"], "a") as asked:
    asked.write(json.dumps(arguments) + "\\n")
if arguments[0] == "trainer":
    if "FAIL" in os.environ:
        sys.exit(3)
    models = pathlib.Path(arguments[arguments.index("--models") + 1])
    trained = models / "simple" / "1"
    if not trained.exists():
        trained.mkdir(parents=True)
        (trained / "trained in").write_text(str(models))
if arguments[:2] == ["server", "--data"] and "PLAYTHROUGH_VAR_DIR" in os.environ:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("listening on 127.0.0.1:1", flush=True)
    signal.pause()
"""


@dataclass(frozen=True)
class Project:
    """A folder with the real Makefile and a stub of the programs."""

    folder: Path

    def make(self, *words: str, **variables: str) -> tuple[list[list[str]], subprocess.CompletedProcess[str]]:
        """Runs make; returns what the stub was asked for, and make's own output."""
        asked = self.folder / "asked"
        asked.write_text("")
        outer = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "DATA", "MODELS", "DEMO", "PORT", "PLAYTHROUGH_VAR_DIR")
        environment = {name: value for name, value in os.environ.items() if name not in outer}
        done = subprocess.run(
            ["make", "BIN=bin", "READY=ready", *words],
            cwd=self.folder,
            env=environment | {"ASKED": str(asked)} | variables,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return [json.loads(line) for line in asked.read_text().splitlines()], done


@pytest.fixture
def project(tmp_path: Path) -> Project:
    requirements = ("constraints.txt", "deploy/requirements/torch.txt")
    for name in ("Makefile", "docs/demo.sh", "pyproject.toml", *requirements):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "bin").mkdir()
    stub = tmp_path / "bin" / "python"
    stub.write_text(PYTHON)
    stub.chmod(0o755)
    (tmp_path / "ready").touch()  # newer than pyproject.toml: nothing is installed
    return Project(tmp_path)


def flag(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


DATA = "my data/a folder; with $HOME 'quotes'".replace("$", "$$")  # make's own way to write a dollar
NAME = "a folder; with $HOME 'quotes'"


def test_serve_takes_folders_with_spaces(project: Project) -> None:
    asked, done = project.make("serve", f"DATA={DATA}", "MODELS=some models")
    assert done.returncode == 0, done.stderr
    assert [words[0] for words in asked] == ["trainer", "server"]
    for words in asked:
        assert (flag(words, "--data"), flag(words, "--models")) == (f"my data/{NAME}", "some models")


def test_the_demo_takes_a_folder_with_spaces_and_tells_a_file_no_colours(project: Project) -> None:
    asked, done = project.make("demo", f"DATA={DATA}/")
    assert done.returncode == 0, done.stderr
    planned = [f"my data/{NAME}//tracks.jsonl", "127.0.0.1:1"]  # what PlanPrefetch is asked of, and whom
    assert [words[0] for words in asked] == [
        "trainer", "server", "cache_client", *planned, "cache_client", "cache_client", "server"
    ]  # fmt: skip
    assert flag(asked[0], "--data") == f"my data/{NAME}/"
    assert flag(asked[0], "--models") == flag(asked[1], "--models")
    assert re.fullmatch(rf"var/demo/{re.escape(NAME)}-\d+/models", flag(asked[0], "--models"))
    assert "\n== 1. Train" in done.stdout
    assert "\033" not in done.stdout


def test_serve_takes_what_the_demo_trained_on_the_same_data(project: Project) -> None:
    """The trainer is asked too, to `--resume`: it trains whatever other data would make different."""
    demo = flag(project.make("demo", "DATA=own")[0][0], "--models")
    asked, done = project.make("serve", "DATA=own")
    assert done.returncode == 0, done.stderr
    assert "--resume" in asked[0]
    models = flag(asked[1], "--models")
    assert re.fullmatch(r"var/models/own-\d+", models)
    assert (project.folder / models / "simple/1/trained in").read_text() == demo
    asked, _ = project.make("serve", "DATA=own")
    assert [words[0] for words in asked] == ["server"], "there are models now"


def test_a_training_that_was_cut_short_goes_on(project: Project) -> None:
    asked, done = project.make("serve", "DATA=own", FAIL="yes")
    assert done.returncode != 0
    assert [words[0] for words in asked] == ["trainer"], "nothing is served"
    (project.folder / flag(asked[0], "--models") / "simple/1").mkdir(parents=True)  # one of three
    asked, _ = project.make("serve", "DATA=own")
    assert [words[0] for words in asked] == ["trainer", "server"]


def test_each_data_set_has_models_of_its_own(project: Project) -> None:
    names = [
        {flag(words, "--models") for words in project.make("serve", f"DATA={data}")[0]}
        for data in ("a/own", "b/own", "b/it's", f"{project.folder}/a/own", "a/own/")
    ]
    assert [len(name) for name in names] == [1] * 5
    assert names[0] not in names[1:3], "two folders of one name"
    assert names[0] == names[3] == names[4], "one folder by several names"
    asked, _ = project.make("serve")
    assert {flag(words, "--models") for words in asked if words[0] != "data"} == {"models/registry"}
    assert "var/models/NAME" in project.make("help")[1].stdout


def test_the_demo_generates_the_sample_alone(project: Project) -> None:
    generate = ["data", "generate", "--out", "data/sample"]
    assert generate in project.make("demo")[0]
    assert generate not in project.make("demo", "DATA=data/sample 2")[0]
