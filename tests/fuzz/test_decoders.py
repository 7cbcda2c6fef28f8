"""What is kept of each decoder's inputs is read or refused as it should be; atheris makes a few more.

`python -m tests.fuzz NAME` makes a million.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.decoding import CORPUS, TARGETS, corpus_of, load_target, opened
from tests.paths import ROOT

INPUTS, SECONDS = 400, 1
NO_ATHERIS = "atheris is not installed: there are wheels for Linux on x86-64 alone"


def target_of(name: str) -> Any:
    """Returns a target's module; skips the test where there is nothing yet for it to run."""
    target = load_target(name)
    needed = getattr(target, "NEEDS", None)
    if needed and importlib.util.find_spec(needed) is None:
        pytest.skip(f"there is no {needed}")
    return target


@pytest.mark.parametrize("name", TARGETS)
def test_the_kept_inputs_are_no_findings(name: str) -> None:
    options = {"whole_every": 1} if name == "jsonl" else {}
    with opened(target_of(name), **options) as check:
        for path in corpus_of(name):
            check(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_are_in_the_corpus_as_our_writers_make_them_today(name: str) -> None:
    for seed, content in load_target(name).seeds().items():
        assert (CORPUS / name / seed).read_bytes() == content


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_that_atheris_makes_are_no_findings(name: str, tmp_path: Path) -> None:
    pytest.importorskip(
        "atheris", reason="atheris is not installed: there are wheels for Linux on x86-64 alone"
    )
    target_of(name)
    command = [sys.executable, "-m", "tests.fuzz", name, "--inputs", str(INPUTS), "--seconds", str(SECONDS)]
    done = subprocess.run(
        [*command, "--found", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "stat::number_of_executed_units" in done.stderr


def test_a_planted_fault_is_found_and_its_input_kept(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason=NO_ATHERIS)
    planted = """
import sys
from contextlib import contextmanager
from pathlib import Path
from tests.fuzz import decoding
from tests.fuzz.targets import experiment_file

@contextmanager
def opened(folder):
    def check(content):
        assert len(content) < 5
    yield check

experiment_file.opened = opened
sys.exit(decoding.fuzz("experiment_file", 1000, 5, 1, Path(sys.argv[1])))
"""
    command = [sys.executable, "-c", planted, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert [len(path.read_bytes()) >= 5 for path in tmp_path.glob("crash-*")] == [True]
