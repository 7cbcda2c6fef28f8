"""`python -m server log` on a spool that no server has open."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner, Result

from server.cli import app
from server.log.record import PredictionRecord
from server.log.spool.rows import DeadLetter, Kind, Reason
from tests.server.log.spool.contents import (
    HEARD,
    dead_letters_in,
    opened,
    outcomes_in,
    predictions_in,
    refuse,
    write_broken_file,
)

MakeRecord = Callable[[int], PredictionRecord]
RunLog = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "var" / "spool"


@pytest.fixture
def run_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunLog:
    """Runs `python -m server log` where only the folder of what the server writes is configured."""
    monkeypatch.chdir(tmp_path)  # a developer's `.env` is elsewhere
    environment = {"PLAYTHROUGH_VAR_DIR": str(tmp_path / "var"), "COLUMNS": "200"}

    def run(*arguments: str, answer: str = "") -> Result:
        return CliRunner().invoke(app, ["log", *arguments], input=answer, env=environment)

    return run


@pytest.fixture
def filled(folder: Path, make_record: MakeRecord) -> Path:
    """A spool with a prediction and an outcome that wait, and two dead letters."""
    with opened(folder) as file, file.transaction():
        file.insert([make_record(1)])
    refuse(folder, "too odd")
    with opened(folder) as file, file.transaction():
        file.insert_outcomes([("a" * 24, HEARD), ("b" * 24, HEARD)])
        first, _ = file.due_outcomes(2)
        file.add_dead_letters([DeadLetter(Kind.OUTCOME, first, Reason.CONFLICT)])
        file.insert([replace(make_record(2), requested_at=datetime(2020, 1, 1, tzinfo=UTC))])
        file.set_away_since(datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp())
    return folder


def done(process: Result) -> str:
    assert (process.exit_code, process.stderr) == (0, "")
    return process.stdout


def refused(process: Result) -> str:
    """Returns the one line on stderr of a command that has to fail."""
    assert (process.exit_code, process.stdout) == (1, "")
    (line,) = process.stderr.splitlines()
    return line


def test_the_state_is_shown_and_written(run_log: RunLog, filled: Path, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    text = done(run_log("status", "--json", str(path)))
    assert str(filled) in text.replace("\n", "")
    assert "predictions that wait for MongoDB" in text
    assert "not running" in text
    assert "since 2020-01-02 03:04:05 UTC" in text
    assert "dead letters: outcome, conflict" in text
    assert "dead letters: prediction, refused" in text
    state = json.loads(path.read_text())
    assert state == {
        "waiting": 1,
        "waiting_outcomes": 1,
        "oldest": "2020-01-01T00:00:00+00:00",
        "delivering": False,
        "away_since": "2020-01-02T03:04:05+00:00",
        "dead_letters": [
            {"kind": "outcome", "reason": "conflict", "count": 1},
            {"kind": "prediction", "reason": "refused", "count": 1},
        ],
    }
    assert json.loads(done(run_log("status", "--json", "-"))) == state


def test_where_there_is_no_spool_nothing_waits_and_nothing_is_made(run_log: RunLog, tmp_path: Path) -> None:
    assert json.loads(done(run_log("status", "--json", "-"))) == {
        "waiting": 0,
        "waiting_outcomes": 0,
        "oldest": None,
        "delivering": False,
        "away_since": None,
        "dead_letters": [],
    }
    assert "dead letters" in done(run_log("status"))
    assert done(run_log("retry")) == "0 dead letters will be delivered again\n"
    assert done(run_log("purge")) == "0 dead letters dropped\n"  # there is nothing to ask about
    assert not (tmp_path / "var").exists()


def test_dead_letters_are_put_back(run_log: RunLog, filled: Path, make_record: MakeRecord) -> None:
    assert done(run_log("retry", "--reason", "refused")) == "1 dead letters will be delivered again\n"
    assert predictions_in(filled)[1:] == [make_record(1)]
    assert done(run_log("retry")) == "1 dead letters will be delivered again\n"
    assert outcomes_in(filled) == [("b" * 24, HEARD), ("a" * 24, HEARD)]


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_purge_asks_and_drops_nothing_without_a_yes(run_log: RunLog, filled: Path, answer: str) -> None:
    process = run_log("purge", answer=answer)
    assert process.exit_code == 1
    assert f"drop 2 dead letters in {filled} for good? [y/N]" in process.stdout
    assert "dropped" not in process.stdout
    assert "Traceback" not in process.stderr
    assert len(dead_letters_in(filled)) == 2


def test_purge_drops_what_it_asked_about_and_nothing_that_waits(run_log: RunLog, filled: Path) -> None:
    process = run_log("purge", "--reason", "conflict", answer="y\n")
    assert process.exit_code == 0
    assert "drop 1 dead letters" in process.stdout
    assert process.stdout.endswith("1 dead letters dropped\n")
    assert [kind for kind, *_ in dead_letters_in(filled)] == ["prediction"]
    assert done(run_log("purge", "--yes")) == "1 dead letters dropped\n"
    assert dead_letters_in(filled) == []
    assert (len(predictions_in(filled)), len(outcomes_in(filled))) == (1, 1)


@pytest.mark.parametrize("arguments", [["status"], ["retry"], ["purge", "--yes"], ["purge"]])
def test_a_spool_that_is_none_is_one_line(run_log: RunLog, folder: Path, arguments: list[str]) -> None:
    write_broken_file(folder)
    line = refused(run_log(*arguments))
    assert line.startswith(f"error: cannot open the spool {folder}")


def test_a_state_that_cannot_be_written_is_one_line(run_log: RunLog, tmp_path: Path) -> None:
    process = run_log("status", "--json", str(tmp_path))
    assert process.exit_code == 1
    assert process.stderr == f"error: cannot write {tmp_path}: Is a directory\n"


@pytest.mark.parametrize("command", ["retry", "purge"])
def test_a_reason_that_there_is_not_is_refused_with_those_that_there_are(
    run_log: RunLog, filled: Path, command: str
) -> None:
    process = run_log(command, "--reason", "bogus")
    assert process.exit_code == 2
    assert all(reason in process.stderr for reason in ("bogus", "refused", "unknown-prediction"))
    assert len(dead_letters_in(filled)) == 2


@pytest.mark.parametrize("command", [[], ["status"], ["retry"], ["purge"]])
def test_help_shows_an_example(run_log: RunLog, command: list[str]) -> None:
    text = done(run_log(*command, "--help"))
    if command:
        assert f"Example: python -m server log {command[0]}" in text
    else:
        assert all(name in text for name in ("status", "retry", "purge"))
