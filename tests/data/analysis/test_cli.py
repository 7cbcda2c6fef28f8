"""`python -m data analyze` as a user meets it."""

import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from data.analysis import STEPS, describe, report, write_report
from data.analysis.contents import FIGURE_NAMES, SECTIONS
from data.cli import app
from data.reading.folder import read_dataset


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["analyze", *map(str, arguments)])


def _refused(result: Result) -> str:
    """Returns the one line of an error, after checking that it is one and nothing else."""
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


def test_a_report_is_written_and_its_statistics_are_alone_on_standard_output(
    small_directory: Path, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "report"
    result = _run(small_directory, "--out", out, "--json", "-")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["rows"]["plays"] == 60
    assert sorted(entry.name for entry in out.iterdir()) == sorted(
        ["report.html", "statistics.json", *(f"{name}.png" for name in FIGURE_NAMES)]
    )
    assert "report.html" in result.stderr


def test_every_step_is_announced(small_directory: Path, tmp_path: Path) -> None:
    steps: list[str] = []
    write_report(
        describe(read_dataset(small_directory), steps.append), tmp_path / "o", title="", advance=steps.append
    )
    assert len(steps) == STEPS


def test_a_missing_data_set_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    assert _refused(_run(tmp_path / "nowhere", "--out", tmp_path / "out")).endswith("no such folder")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_something_else_is_refused_before_the_data_is_read(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    assert "the folder holds 'thesis.txt'" in _refused(_run(tmp_path / "nowhere", "--out", tmp_path))


def test_a_broken_line_is_named(directory: Path, tmp_path: Path) -> None:
    sessions = directory / "sessions.jsonl"
    sessions.write_text(sessions.read_text() + "{oops\n")
    line = _refused(_run(directory, "--out", tmp_path / "out"))
    assert line.startswith(f"error: {sessions}:")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("column", ["user_id", "event_type"])
def test_lenient_describes_what_can_be_repaired(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    monkeypatch.setattr(report, "SECTIONS", SECTIONS[:1])
    sessions = directory / "sessions.jsonl"
    first, *rest = sessions.read_text().splitlines()
    broken = json.dumps({**json.loads(first), column: None})
    sessions.write_text("\n".join([broken, *rest]) + "\n")
    assert column in _refused(_run(directory, "--out", tmp_path / "out"))
    result = _run(directory, "--out", tmp_path / "out", "--lenient", "--json", "-")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["rows"]["events"] == len(rest)


def test_a_folder_whose_name_is_no_text_can_be_described(
    small_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "SECTIONS", SECTIONS[:1])
    directory = Path(shutil.copytree(small_directory, tmp_path / os.fsdecode(b"caf\xe9")))
    assert _run(directory, "--out", tmp_path / "out").exit_code == 0
    assert "caf\\udce9" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
