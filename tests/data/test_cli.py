import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from data import plays, read_dataset
from data.cli import app
from tests.paths import ROOT


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def _refused(result: Result) -> str:
    """Returns the one line of an error, after checking that it is one and nothing else."""
    assert result.exit_code == 1
    assert result.stdout == ""
    assert isinstance(result.exception, SystemExit)
    (line,) = result.stderr.splitlines()
    return line


def test_generate_writes_a_readable_data_set(tmp_path: Path) -> None:
    result = _run("generate", "--out", tmp_path / "d", "--listeners", "2", "--tracks", "9", "--plays", "31")
    assert result.exit_code == 0
    assert result.stdout == f"wrote 31 plays of 2 listeners over 9 tracks to {tmp_path / 'd'}\n"
    assert len(plays(read_dataset(tmp_path / "d"))) == 31


def test_generate_refuses_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    line = _refused(_run("generate", "--out", tmp_path, "--plays", "5"))
    assert line == f"error: {tmp_path}: the folder holds 'photo.jpg', which no data set has: not overwritten"


def test_generate_refuses_impossible_numbers(tmp_path: Path) -> None:
    assert _run("generate", "--out", tmp_path / "d", "--plays", "0").exit_code == 2
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_transform_writes_what_plays_returns(small_directory: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / "deep" / f"plays{suffix}"
    result = _run("transform", small_directory, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "wrote 60 plays" in result.stdout
    expected = plays(read_dataset(small_directory))
    if suffix == ".parquet":
        written = pd.read_parquet(out)
        written["favourite_genres"] = written["favourite_genres"].map(list)
        pd.testing.assert_frame_equal(written, expected)
    else:
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        assert list(rows[0]) == list(expected.columns)
        assert [row["started_at"] for row in rows] == [
            time.isoformat(timespec="microseconds") for time in expected["started_at"]
        ]
        for name in expected.columns.drop("started_at"):
            assert [row[name] for row in rows] == expected[name].tolist()
    assert os.listdir(out.parent) == [out.name]


def test_transform_replaces_an_older_file(small_directory: Path, tmp_path: Path) -> None:
    out = tmp_path / "plays.jsonl"
    out.write_text("old")
    assert _run("transform", small_directory, "--out", out).exit_code == 0
    assert len(out.read_text().splitlines()) == 60


def test_transform_of_no_plays_writes_no_lines(directory: Path, tmp_path: Path) -> None:
    sessions = directory / "sessions.jsonl"
    advertisement = next(line for line in sessions.read_text().splitlines() if "ADVERTISEMENT" in line)
    sessions.write_text(advertisement + "\n")
    result = _run("transform", directory, "--out", tmp_path / "plays.jsonl")
    assert result.stdout == f"wrote 0 plays to {tmp_path / 'plays.jsonl'}\n"
    assert (tmp_path / "plays.jsonl").read_text() == ""


def test_a_command_that_is_ended_leaves_nothing_half_written(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "data",
        "generate",
        "--plays",
        "10000000",
        "--listeners",
        "5000",
        "--out",
        str(tmp_path / "d"),
    ]
    with subprocess.Popen(command, cwd=ROOT) as run:
        while not list(tmp_path.glob("**/sessions.jsonl")):
            assert run.poll() is None
        run.terminate()
    assert run.returncode == 128 + 15
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "shown"), [("plays.csv", "'.csv'"), ("plays", "a file without suffix"), ("x.JSONL", "'.JSONL'")]
)
def test_transform_refuses_other_formats(
    small_directory: Path, tmp_path: Path, name: str, shown: str
) -> None:
    line = _refused(_run("transform", small_directory, "--out", tmp_path / name))
    assert line == f"error: {tmp_path / name}: cannot write {shown}: use .jsonl or .parquet"
    assert os.listdir(tmp_path) == []


def test_transform_names_a_missing_folder(tmp_path: Path) -> None:
    line = _refused(_run("transform", tmp_path / "nowhere", "--out", tmp_path / "plays.jsonl"))
    assert line == f"error: {tmp_path / 'nowhere'}: no such folder"


def test_transform_names_the_line_at_fault_and_leaves_the_older_file(directory: Path, tmp_path: Path) -> None:
    path = directory / "sessions.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], lines[4][:50]]))
    out = tmp_path / "plays.parquet"
    out.write_text("old")
    line = _refused(_run("transform", directory, "--out", out))
    assert line.startswith(f"error: {path}:5: not JSON: ")
    assert out.read_text() == "old"


def test_transform_names_an_output_that_cannot_be_written(small_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "plays.jsonl"
    assert _refused(_run("transform", small_directory, "--out", out)).startswith(
        f"error: {out}: cannot write: "
    )


def test_transform_leaves_the_data_set_that_it_reads_alone(directory: Path) -> None:
    out = directory / "sessions.jsonl"
    before = out.read_bytes()
    line = _refused(_run("transform", directory, "--out", out))
    assert line == f"error: {out}: is part of the data set itself: not overwritten"
    assert out.read_bytes() == before


def test_every_command_shows_an_example() -> None:
    for command in ("generate", "validate", "transform", "analyze"):
        result = _run(command, "--help")
        assert result.exit_code == 0
        assert f"python -m data {command}" in result.stdout


def test_the_module_runs_as_a_command_and_shows_no_traceback(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "data",
        "transform",
        str(tmp_path / "x"),
        "--out",
        str(tmp_path / "y.jsonl"),
    ]
    root = ROOT
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path / 'x'}: no such folder\n"
    assert done.stdout == ""
