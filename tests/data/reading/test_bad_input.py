"""Files that are no data set are named with file and line, on every way in, and leave nothing behind."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from data.cli import app

Records = dict[str, list[Any]]

EVENT = (
    '{"timestamp": "2023-01-01T10:00:00", "user_id": 1, "track_id": "T1", '
    '"event_type": "PLAY", "session_id": 9}'
)
MONTH_13 = EVENT.replace("2023-01-01", "2023-13-01")

# name of the case, the bytes of sessions.jsonl, line at fault, words of the problem, rule
BAD_FILES: list[tuple[str, bytes, int | None, str, str]] = [
    ("binary", bytes(range(256)) * 64, 1, "not JSON", "not-json"),
    ("picture", b"\x89PNG\r\n\x1a\n\x00\xff\xfe", 1, "not UTF-8", "not-utf8"),
    ("zeros", bytes(100_000), 1, "not JSON", "not-json"),
    ("empty", b"", None, "the file is empty", "empty-file"),
    ("a line feed", b"\n", None, "the file holds no rows", "empty-file"),
    ("blank", b"\n \n\n", None, "the file holds no rows", "empty-file"),
    ("one bad line", b"nonsense", 1, "not JSON", "not-json"),
    ("null", b"null\n", 1, "not a JSON object but null", "not-an-object"),
    ("cut off", EVENT.encode()[:-9], 1, "cut off?", "not-json"),
    ("long line", b'{"timestamp": "' + b"x" * 9_000_000, 1, "longer than 4 MiB", "line-too-long"),
    ("utf-16", EVENT.encode("utf-16"), 1, "UTF-16", "not-utf8"),
    ("bom", b"\xef\xbb\xbf" + EVENT.encode(), 1, "byte order mark", "byte-order-mark"),
    ("bom inside", EVENT.encode() + b"\n\xef\xbb\xbf" + EVENT.encode(), 2, "not JSON", "not-json"),
    ("duplicated key", EVENT.replace("{", '{"user_id": 2, ').encode(), 1, "more than once", "duplicate-key"),
    ("nan", EVENT.replace(": 9", ": NaN").encode(), 1, "got NaN", "not-finite"),
    ("infinity", EVENT.replace(": 9", ": -Infinity").encode(), 1, "got -Infinity", "not-finite"),
    ("month 13", MONTH_13.encode(), 1, "not an ISO 8601 time: '2023-13-01", "bad-time"),
    ("two objects", EVENT.encode() + EVENT.encode(), 1, "not JSON: Extra data", "not-json"),
    ("deep", b'{"x": ' + b"[" * 200_000 + b"\n", 1, "nested too deep", "not-json"),
    ("deep and closed", b'{"x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", 1, "nested", "not-json"),
    ("terminal escape", b'{"\\u001b[31m": 1, "\\u001b[31m": 2}', 1, "more than once", "duplicate-key"),
    ("name not utf-8", b'{"\xe6": 1}', 1, "not UTF-8", "not-utf8"),
    ("unknown name not utf-8", EVENT.replace("{", '{"?": 1, ').encode().replace(b"?", b"\xe6"), 1,
     "not UTF-8", "not-utf8"),
    ("unknown text not utf-8", EVENT.replace("{", '{"x": "?", ').encode().replace(b"?", b"\xe6"), 1,
     "not UTF-8", "not-utf8"),
    ("unknown name twice", EVENT.replace("{", '{"x": 1, "x": 2, ').encode(), 1, "more than", "duplicate-key"),
    ("half a character", b'{"\\ud800": 1, "\\ud800": 2}', 1, "more than once", "duplicate-key"),
]  # fmt: skip


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(params=BAD_FILES, ids=[case[0] for case in BAD_FILES])
def bad(request: pytest.FixtureRequest, make_folder: Callable[..., Path]) -> tuple[Path, Any]:
    directory = make_folder()
    (directory / "sessions.jsonl").write_bytes(request.param[1])
    return directory, request.param[2:]


def test_strict_reading_names_file_and_line(bad: tuple[Path, Any], tmp_path: Path) -> None:
    directory, (line, problem, _) = bad
    result = _run("transform", directory, "--out", tmp_path / "plays.jsonl")
    place = directory / "sessions.jsonl" if line is None else f"{directory / 'sessions.jsonl'}:{line}"
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {place}: ")
    assert problem in result.stderr
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_lenient_reading_refuses_a_file_without_a_usable_line(
    bad: tuple[Path, Any], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    directory, (line, problem, rule) = bad
    result = _run("transform", directory, "--lenient", "--out", tmp_path / "plays.jsonl")
    if "bom" in request.node.name:  # the only ones that hold a usable line
        assert result.exit_code == 0
        assert rule in result.stderr
        return
    place = directory / "sessions.jsonl" if line is None else f"{directory / 'sessions.jsonl'}:{line}"
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {place}: ")
    assert problem in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_validation_finds_it(bad: tuple[Path, Any], tmp_path: Path) -> None:
    directory, (line, _, rule) = bad
    result = _run("validate", directory, "--json", tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert "\x1b" not in result.output
    findings = {finding["rule"]: finding for finding in report["files"]["sessions"]["findings"]}
    assert findings[rule]["severity"] == "error"
    assert [example["line"] for example in findings[rule]["examples"]][:1] == ([] if line is None else [line])


@pytest.mark.parametrize("command", [["validate"], ["transform", "--lenient", "--out", "plays.jsonl"]])
def test_lenient_and_validate_say_no_such_folder_in_one_line(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = _run(*command, "nowhere")
    assert (result.exit_code, result.stderr) == (1, "error: nowhere: no such folder\n")
    assert list(tmp_path.iterdir()) == []


def test_windows_line_ends_are_read_and_noted(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    directory = make_folder()
    for path in directory.iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    result = _run("validate", directory, "--json", tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert result.exit_code == 0
    for file in report["files"].values():
        (finding,) = [finding for finding in file["findings"] if finding["rule"] == "crlf"]
        assert (finding["severity"], finding["examples"][0]["line"]) == ("info", 1)
    assert _run("transform", directory, "--out", tmp_path / "plays.jsonl").exit_code == 0


def test_a_report_that_cannot_be_written_is_one_line(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("")
    result = _run("validate", make_folder(), "--json", tmp_path / "taken" / "report.json")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {tmp_path / 'taken' / 'report.json'}: cannot write: ")
    assert result.stderr.count("\n") == 1


def test_json_on_standard_output_is_nothing_but_json(make_folder: Callable[..., Path]) -> None:
    result = _run("validate", make_folder(), "--json", "-")
    assert json.loads(result.stdout)["ok"] is True
    assert "empty-track-id" in result.stderr


def test_the_table_names_file_rule_count_and_line(make_folder: Callable[..., Path]) -> None:
    def plant(records: Records) -> None:
        records["users"][1]["premium_user"] = None

    result = _run("validate", make_folder(plant))
    assert result.exit_code == 1
    row = next(line for line in result.stdout.splitlines() if "premium_user" in line)
    assert row.split() == ["users", "premium_user", "null", "error", "1", "2:", "null"]
    assert "NOT OK, rules broken: error 1, warning 0, info 1" in result.stdout


def test_lenient_transform_says_what_it_did(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    def plant(records: Records) -> None:
        records["sessions"][2]["user_id"] = None

    result = _run("transform", make_folder(plant), "--lenient", "--out", tmp_path / "plays.jsonl")
    assert result.exit_code == 0
    row = next(line for line in result.stderr.splitlines() if "user_id" in line)
    assert row.split() == ["sessions", "user_id", "null", "dropped", "1", "3"]
