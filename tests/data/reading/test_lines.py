"""Lines that the fast decoder takes are read as value by value, and no fault slips past it."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.reading import lines
from data.reading.table import RawTable, read_raw
from data.schema import DATASET_FILES, SESSIONS

EVENT = {
    "timestamp": "2023-01-01T10:00:00",
    "user_id": 1,
    "track_id": "T",
    "event_type": "PLAY",
    "session_id": 9,
}


def _read(path: Path, contract: Any = SESSIONS, note_strays: bool = True) -> RawTable:
    return read_raw(path, contract, hashlib.sha256(), note_strays=note_strays)


def _same(path: Path, contract: Any, monkeypatch: pytest.MonkeyPatch) -> RawTable:
    """Returns a file's table, after checking that reading value by value makes the same of it."""
    fast = _read(path, contract)
    with monkeypatch.context() as patch:
        patch.setattr(lines, "_names_each_once", lambda data, n_names: [False] * data.count(b"\n"))
        slow = _read(path, contract)
    pd.testing.assert_frame_equal(fast.frame, slow.frame)
    assert fast.n_rows == slow.n_rows
    assert fast.log.groups == slow.log.groups
    return fast


@pytest.mark.parametrize("contract", DATASET_FILES, ids=lambda contract: contract.name)
def test_both_read_a_clean_file_alike(
    small_directory: Path, contract: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not _same(small_directory / contract.file_name, contract, monkeypatch).log.groups


LINES = [
    json.dumps(EVENT, separators=(",", ":")),
    json.dumps({**EVENT, "track_id": 'a "b": c'}),  # a text with what ends a name
    json.dumps({**EVENT, "track_id": "a : b"}),
    json.dumps({**EVENT, "track_id": "ą\\"}, ensure_ascii=False),
    json.dumps(EVENT).replace(":", " :\t") + " ",
    json.dumps(EVENT).replace(": 9", ": 9.0"),
    json.dumps({**EVENT, "session_id": 2**63}),
    json.dumps({**EVENT, "session_id": 2**63 - 1}),
    json.dumps({**EVENT, "track_id": "null"}),
    json.dumps({**EVENT, "track_id": "\ud800"}),
    json.dumps({**EVENT, "event_type": "PAUSE"}),
    json.dumps({**EVENT, "extra": {"user_id": 3}}),
    json.dumps({**EVENT, "extra": 1}),
    "",
    json.dumps(EVENT).replace('"user_id": 1, ', ""),
]  # fmt: skip


@pytest.mark.parametrize("first", LINES)
def test_both_read_odd_lines_alike(first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sessions.jsonl").write_text("\n".join([first, *LINES]) + "\n")
    assert _same(tmp_path / "sessions.jsonl", SESSIONS, monkeypatch).log.groups


TWICE = [
    json.dumps(EVENT).replace("{", '{"user_id": 1, '),
    json.dumps(EVENT).replace("{", '{"user_id" : 1, '),
    json.dumps(EVENT, separators=(",", ":")).replace("{", '{"user_id":1,'),
    json.dumps(EVENT).replace("{", '{"user_id": 1, ').replace('"session_id":', '"session_id"\t:'),
    json.dumps(EVENT).replace("{", '{"user\\u005fid": 1, '),
]


@pytest.mark.parametrize("twice", TWICE)
def test_a_field_named_twice_is_found_among_clean_lines(twice: str, tmp_path: Path) -> None:
    clean = [json.dumps(EVENT)] * 3
    (tmp_path / "sessions.jsonl").write_text("\n".join([*clean, twice, *clean]) + "\n")
    table = _read(tmp_path / "sessions.jsonl")
    assert table.log.groups["duplicate-key", "user_id"].lines.tolist() == [4]
    assert table.frame.index.tolist() == [1, 2, 3, 5, 6, 7]


def test_a_field_named_twice_is_found_beside_a_line_that_lacks_one(tmp_path: Path) -> None:
    """Together they name as many fields as two clean lines."""
    lacking = json.dumps({name: value for name, value in EVENT.items() if name != "user_id"})
    (tmp_path / "sessions.jsonl").write_text(f"{TWICE[0]}\n{lacking}\n")
    assert set(_read(tmp_path / "sessions.jsonl").log.groups) == {
        ("duplicate-key", "user_id"),
        ("missing-field", "user_id"),
    }


def test_an_object_over_two_lines_is_two_faults(tmp_path: Path) -> None:
    (tmp_path / "sessions.jsonl").write_text(json.dumps(EVENT).replace("}", "\n}") + json.dumps(EVENT) + "\n")
    assert _read(tmp_path / "sessions.jsonl").log.groups["not-json", None].lines.tolist() == [1, 2]


def test_strict_reading_names_the_first_line_at_fault_whatever_the_fault(
    directory: Path, edit_line: Callable[..., None]
) -> None:
    path = directory / "tracks.jsonl"
    edit_line(path, 7, lambda r: r.pop("name") and None)
    edit_line(path, 5, lambda r: r.update(energy=1.5))
    with pytest.raises(Exception, match=r"tracks\.jsonl:5: column 'energy': 1\.5 breaks the rule"):
        read_raw(path, DATASET_FILES[1], hashlib.sha256(), strict=True)
