"""Validation finds in the two real releases what was published for them."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from data.cli import app


def _validated(directory: Path, tmp_path: Path) -> tuple[int, dict[str, Any]]:
    report = tmp_path / "report.json"
    result = CliRunner().invoke(app, ["validate", str(directory), "--json", str(report)])
    return result.exit_code, json.loads(report.read_text())


def _counts(report: dict[str, Any], table: str) -> dict[tuple[str, str | None], tuple[str, int]]:
    return {
        (finding["rule"], finding["column"]): (finding["severity"], finding["count"])
        for finding in report["files"][table]["findings"]
    }


@pytest.fixture(scope="module")
def v1(v1_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, Any]]:
    return _validated(v1_directory, tmp_path_factory.mktemp("v1"))


@pytest.fixture(scope="module")
def v2(v2_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, Any]]:
    return _validated(v2_directory, tmp_path_factory.mktemp("v2"))


def test_v1_is_not_ok(v1: tuple[int, dict[str, Any]]) -> None:
    assert (v1[0], v1[1]["ok"]) == (1, False)


def test_v1_artists(v1: tuple[int, dict[str, Any]]) -> None:
    assert v1[1]["files"]["artists"]["rows"] == 10_657
    assert _counts(v1[1], "artists") == {
        ("null", "genres"): ("error", 544),
        ("sentinel", "id"): ("error", 494),
        ("duplicate-artist-name", "name"): ("warning", 14),
    }


def test_v1_has_no_tracks(v1: tuple[int, dict[str, Any]]) -> None:
    assert v1[1]["files"]["tracks"] == {
        "rows": 0,
        "findings": [
            {"rule": "missing-file", "severity": "error", "column": None, "count": 1, "examples": []}
        ],
    }


def test_v1_users(v1: tuple[int, dict[str, Any]]) -> None:
    assert _counts(v1[1], "users") == {
        ("null", "favourite_genres"): ("error", 5),
        ("null", "premium_user"): ("error", 1),
        ("stray-field", "id"): ("warning", 1),
    }
    (stray,) = [f for f in v1[1]["files"]["users"]["findings"] if f["rule"] == "stray-field"]
    assert stray["examples"] == [{"line": 4, "value": -1}]


def test_v1_track_storage_has_no_problem(v1: tuple[int, dict[str, Any]]) -> None:
    assert v1[1]["files"]["track_storage"] == {"rows": 21_608, "findings": []}


def test_v1_sessions(v1: tuple[int, dict[str, Any]]) -> None:
    counts = _counts(v1[1], "sessions")
    assert counts["null", "event_type"] == ("error", 167)
    assert counts["null", "track_id"] == ("error", 163)
    assert counts["null", "user_id"] == ("error", 195)
    # 92 empty strings, of which 90 on events that need no track
    assert counts["empty-track-id", "track_id"] == ("info", 92)
    assert counts["no-track", "track_id"] == ("error", 2)
    # What these nulls leave behind, and nothing else:
    assert counts.keys() - {rule for rule in counts if rule[0] in ("null", "empty-track-id", "no-track")} == {
        ("skip-without-play", "event_type"),
        ("like-without-play", "event_type"),
    }


def test_v2_is_ok_with_176_duplicated_pairs(v2: tuple[int, dict[str, Any]]) -> None:
    assert (v2[0], v2[1]["ok"]) == (0, True)
    assert {name: file["rows"] for name, file in v2[1]["files"].items()} == {
        "artists": 10_657,
        "tracks": 21_608,
        "users": 50,
        "track_storage": 21_608,
        "sessions": 23_205,
    }
    found = {(table, *rule): what for table in v2[1]["files"] for rule, what in _counts(v2[1], table).items()}
    assert found == {
        ("artists", "duplicate-artist-name", "name"): ("warning", 14),
        ("tracks", "duplicate-track", "name"): ("warning", 176),
        ("sessions", "empty-track-id", "track_id"): ("info", 3_853),
    }
