import hashlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data import DataError, plays, read_catalogue, read_dataset, schema
from data.reading import blocks
from data.reading.table import read_raw
from data.schema import DATASET_FILES

EditLine = Callable[[Path, int, Callable[[dict[str, Any]], Any]], None]


def _error(directory: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        read_dataset(directory)
    assert "\n" not in str(caught.value)
    return caught.value


def test_tables_have_the_contracts_columns_and_types(small_directory: Path) -> None:
    dataset = read_dataset(small_directory)
    for contract in DATASET_FILES:
        table = getattr(dataset, contract.file_name.removesuffix(".jsonl"))
        assert list(table.columns) == list(contract.columns)
        assert isinstance(table.index, pd.RangeIndex)
    assert dataset.sessions["timestamp"].dtype == "datetime64[us]"
    assert dataset.tracks["tempo"].dtype == "float64"
    assert dataset.users["premium_user"].dtype == "bool"
    assert all(isinstance(genres, list) for genres in dataset.users["favourite_genres"])


def test_digest_changes_with_a_byte_of_any_file(directory: Path) -> None:
    digests = {read_dataset(directory).digest}
    for contract in DATASET_FILES:
        with (directory / contract.file_name).open("a") as file:
            file.write("\n")  # a blank line: other bytes, same data
        digests.add(read_dataset(directory).digest)
    assert len(digests) == 6
    assert all(len(digest) == 64 for digest in digests)


def test_missing_folder(tmp_path: Path) -> None:
    assert str(_error(tmp_path / "nowhere")) == f"{tmp_path / 'nowhere'}: no such folder"


def test_a_file_for_a_folder(directory: Path) -> None:
    assert _error(directory / "users.jsonl").problem == "not a folder"


def test_missing_file_is_named_before_any_other_fault(directory: Path, edit_line: EditLine) -> None:
    edit_line(directory / "artists.jsonl", 1, lambda _: "{")
    (directory / "sessions.jsonl").unlink()
    assert str(_error(directory)) == f"{directory / 'sessions.jsonl'}: no such file"


def test_folder_in_place_of_a_file(directory: Path) -> None:
    (directory / "users.jsonl").unlink()
    (directory / "users.jsonl").mkdir()
    assert str(_error(directory)) == f"{directory / 'users.jsonl'}: is a directory"


def test_a_pipe_in_place_of_a_file_is_not_waited_for(directory: Path) -> None:
    (directory / "users.jsonl").unlink()
    os.mkfifo(directory / "users.jsonl")
    assert _error(directory).problem == "a pipe or a device, not a file"


@pytest.mark.parametrize("name", ["users.jsonl", ""], ids=["file", "folder"])
def test_a_link_to_itself_is_named(directory: Path, name: str) -> None:
    path = directory / name if name else directory.with_name("loop")
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)
    error = _error(directory if name else path)
    assert (error.path, error.problem) == (path, "too many levels of symbolic links")


def test_a_name_too_long_for_a_folder(tmp_path: Path) -> None:
    assert _error(tmp_path / ("x" * 300)).problem == "file name too long"


def test_catalogue_needs_neither_sessions_nor_users(directory: Path) -> None:
    (directory / "sessions.jsonl").unlink()
    (directory / "users.jsonl").unlink()
    assert len(read_catalogue(directory).track_ids) == 40


FAULTS: list[tuple[str, Callable[[dict[str, Any]], Any], str | None, str]] = [
    ("tracks", lambda r: '{"id": "x", "na', None, "not JSON: Unterminated string starting at character 13"),
    ("tracks", lambda r: "nonsense", None, "not JSON: Expecting value at character 1"),
    ("tracks", lambda r: "[1, 2]", None, "not a JSON object but [1, 2]"),
    ("tracks", lambda r: '"text"', None, 'not a JSON object but "text"'),
    ("users", lambda r: json.dumps(r) + json.dumps(r), None, "not JSON: Extra data"),
    ("users", lambda r: json.dumps(r).replace("{", '{"city": "x", ', 1), "city", "there more than once"),
    ("users", lambda r: "\x00\x01\x02", None, "not JSON"),
    ("tracks", lambda r: r.pop("tempo"), "tempo", "missing"),
    ("tracks", lambda r: r.update(energy=None), "energy", "null, expected a number"),
    ("artists", lambda r: r.update(genres=None), "genres", "null, expected a list of strings"),
    ("artists", lambda r: r.update(genres=["pop", None]), "genres", "expected a list of strings"),
    ("artists", lambda r: r.update(genres="pop"), "genres", 'expected a list of strings, got "pop"'),
    ("artists", lambda r: r.update(id=-1), "id", "expected a string, got -1"),
    ("artists", lambda r: r.update(id=""), "id", "'' breaks the rule str_length"),
    ("artists", lambda r: r.update(name="\ud800"), "name", 'expected a string, got "\\ud800"'),
    ("sessions", lambda r: r.update(user_id=None), "user_id", "null, expected a whole number"),
    (
        "sessions",
        lambda r: r.update(user_id=["101"]),
        "user_id",
        'expected a whole number or a string, got ["101"]',
    ),
    (
        "sessions",
        lambda r: r.update(user_id=True),
        "user_id",
        "a whole number or a string, got true",
    ),
    (
        "sessions",
        lambda r: r.update(session_id=1.5),
        "session_id",
        "a whole number or a string, got 1.5",
    ),
    ("sessions", lambda r: r.update(session_id=""), "session_id", "'' breaks the rule str_length"),
    ("sessions", lambda r: r.update(user_id="null"), "user_id", "'null' breaks the rule notin"),
    ("sessions", lambda r: r.update(user_id=-1), "user_id", "-1 breaks the rule notin"),
    ("sessions", lambda r: r.update(session_id=10**20), "session_id", "expected a whole number"),
    ("sessions", lambda r: r.update(event_type="PAUSE"), "event_type", "'PAUSE' breaks the rule isin"),
    ("sessions", lambda r: r.update(timestamp="yesterday"), "timestamp", "not an ISO 8601 time: 'yesterday'"),
    ("sessions", lambda r: r.update(timestamp="2023-13-01T00:00:00"), "timestamp", "not an ISO 8601 time"),
    ("sessions", lambda r: r.update(timestamp="2023-02-30T00:00:00"), "timestamp", "not an ISO 8601 time"),
    ("sessions", lambda r: r.update(timestamp="2023"), "timestamp", "not an ISO 8601 time: '2023'"),
    ("sessions", lambda r: r.update(timestamp=1672531200), "timestamp", "expected an ISO 8601 time"),
    ("sessions", lambda r: r.update(user_id=999), "user_id", "no such listener: 999"),
    ("sessions", lambda r: r.update(event_type="PLAY", track_id="?"), "track_id", "no such track: '?'"),
    ("sessions", lambda r: r.update(event_type="LIKE", track_id=""), "track_id", "no such track: ''"),
    ("tracks", lambda r: r.update(energy=float("nan")), "energy", "expected a number, got NaN"),
    ("tracks", lambda r: r.update(loudness=float("-inf")), "loudness", "expected a number, got -Infinity"),
    ("tracks", lambda r: r.update(key=float("nan")), "key", "expected a whole number, got NaN"),
    (
        "tracks",
        lambda r: json.dumps(r | {"tempo": 0}).replace('"tempo": 0', '"tempo": 1e999'),
        "tempo",
        "expected a number",
    ),
    ("tracks", lambda r: r.update(energy=1.5), "energy", "1.5 breaks the rule in_range(0.0, 1.0)"),
    ("tracks", lambda r: r.update(duration_ms=0), "duration_ms", "0 breaks the rule greater_than(0)"),
    ("tracks", lambda r: r.update(release_date="2001-13"), "release_date", "'2001-13' breaks the rule"),
    (
        "track_storage",
        lambda r: r.update(storage_class="TAPE"),
        "storage_class",
        "'TAPE' breaks the rule isin",
    ),
]


@pytest.mark.parametrize(
    ("file", "change", "column", "problem"), FAULTS, ids=[f"{fault[0]}: {fault[3]}" for fault in FAULTS]
)
def test_a_fault_is_named_by_file_line_and_column(
    directory: Path,
    edit_line: EditLine,
    file: str,
    change: Callable[[dict[str, Any]], Any],
    column: str | None,
    problem: str,
) -> None:
    path = directory / f"{file}.jsonl"
    edit_line(path, 3, change)
    error = _error(directory)
    assert (error.path, error.line, error.column) == (path, 3, column)
    assert problem in error.problem
    assert str(error).startswith(f"{path}:3: ")


def test_the_second_of_two_equal_ids_is_a_fault(directory: Path) -> None:
    path = directory / "users.jsonl"
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first, *rest, first]) + "\n")
    error = _error(directory)
    assert (error.column, error.problem) == ("user_id", "101 is there more than once")


def test_a_file_cut_off_in_its_last_line(directory: Path) -> None:
    path = directory / "tracks.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    error = _error(directory)
    assert error.line == 40
    assert error.problem.endswith("and the file ends here: cut off?")


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        (b"", None, "the file is empty"),
        (b"\n\n", None, "the file holds no rows"),
        (b"\xef\xbb\xbf{}\n", 1, "begins with a byte order mark"),
        (b'\n{"user_id": 1, "name": "\xff"}\n', 2, "not UTF-8 (byte 25 of the line)"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", 1, "not UTF-8 (byte 1 of the line)"),
        (b'{"user_id":\n1}\n', 1, "not JSON"),
        (b"[" * 100_000, 1, "not JSON: nested too deep"),
    ],
    ids=["empty", "blank", "bom", "latin1", "binary", "pretty-printed", "deep"],
)
def test_files_that_are_no_jsonl(directory: Path, content: bytes, line: int | None, problem: str) -> None:
    (directory / "users.jsonl").write_bytes(content)
    error = _error(directory)
    assert error.path == directory / "users.jsonl"
    assert error.line == line
    assert problem in error.problem


def test_an_endless_line(directory: Path) -> None:
    with (directory / "users.jsonl").open("a") as file:
        file.write('{"name": "' + "x" * (2 * blocks.MAX_LINE_BYTES))
    error = _error(directory)
    assert (error.line, error.problem) == (4, "the line is longer than 4 MiB")


def test_a_file_of_many_blank_lines_is_read_at_once(directory: Path) -> None:
    """Blank blocks are counted, not walked: a line at a time, these would take a minute."""
    artists = directory / "artists.jsonl"
    n_rows = len(read_dataset(directory).artists)
    artists.write_bytes(artists.read_bytes() + b"\n" * 8_000_000)
    assert len(read_dataset(directory).artists) == n_rows


def test_blank_lines_count_as_lines(directory: Path, edit_line: EditLine) -> None:
    edit_line(directory / "tracks.jsonl", 3, lambda r: r.update(energy=2))
    content = (directory / "tracks.jsonl").read_text()
    (directory / "tracks.jsonl").write_text("\n\n" + content)
    assert _error(directory).line == 5


def test_windows_line_ends_are_read(directory: Path, small_directory: Path) -> None:
    for contract in DATASET_FILES:
        path = directory / contract.file_name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    pd.testing.assert_frame_equal(read_dataset(directory).sessions, read_dataset(small_directory).sessions)


def _opened_by(opening: str, record: dict[str, Any]) -> str:
    return opening + json.dumps(record)[1:]


def test_extra_fields_are_accepted_whatever_they_hold(directory: Path, edit_line: EditLine) -> None:
    for number, mode in enumerate(["1", '"text"', "null", "[1]", '{"a": 1}'], start=1):
        opening = f'{{"mode": {mode}, "time_signature": 4, '
        edit_line(directory / "tracks.jsonl", number, partial(_opened_by, opening))
    assert "mode" not in read_dataset(directory).tracks


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2023-01-01T01:40:27", "2023-01-01T01:40:27"),
        ("2023-01-01T01:40:27.5", "2023-01-01T01:40:27.5"),
        ("2023-01-01T01:40:27.507123", "2023-01-01T01:40:27.507123"),
        ("2023-01-01 01:40:27", "2023-01-01T01:40:27"),
        ("2023-01-01T01:40:27Z", "2023-01-01T01:40:27"),
        ("2023-01-01T01:40:27+02:00", "2022-12-31T23:40:27"),
    ],
)
def test_times_with_and_without_microseconds_and_offset(
    directory: Path, edit_line: EditLine, written: str, read: str
) -> None:
    edit_line(directory / "sessions.jsonl", 1, lambda r: r.update(timestamp=written))
    assert read_dataset(directory).sessions["timestamp"][0] == pd.Timestamp(read)


def test_catalogue_joins_genres_and_storage_and_keeps_gaps(directory: Path) -> None:
    kept = (directory / "track_storage.jsonl").read_text().splitlines()[1:]
    (directory / "track_storage.jsonl").write_text("\n".join(kept) + "\n")
    artist = json.loads((directory / "tracks.jsonl").read_text().splitlines()[0])["id_artist"]
    others = [line for line in (directory / "artists.jsonl").read_text().splitlines() if artist not in line]
    (directory / "artists.jsonl").write_text("\n".join(others) + "\n")
    catalogue = read_catalogue(directory)
    first, last = catalogue.tracks.iloc[0], catalogue.tracks.iloc[-1]
    assert (first["genres"], first["storage_class"]) == ([], None)
    assert pd.isna(first["daily_cost"])
    assert last["storage_class"] in ("SLOW", "MEDIUM", "FAST")
    assert last["daily_cost"] > 0
    assert [catalogue.row_of[track_id] for track_id in catalogue.track_ids] == list(range(40))


def test_error_message_stays_one_line_whatever_the_file_is_called(tmp_path: Path) -> None:
    error = DataError(tmp_path / "a\nb", 3, "x", "odd\nvalue")
    assert str(error) == f"{tmp_path}/a b:3: column 'x': odd value"


def test_v1_lacks_its_tracks(v1_directory: Path) -> None:
    assert str(_error(v1_directory)) == f"{v1_directory / 'tracks.jsonl'}: no such file"


@pytest.mark.parametrize(
    ("contract", "place"),
    [
        (schema.ARTISTS, "artists.jsonl:5: column 'genres': null, expected a list of strings"),
        (schema.SESSIONS, "sessions.jsonl:2: column 'event_type': null, expected a string"),
    ],
    ids=["artists", "sessions"],
)
def test_v1_is_refused_at_its_first_fault(
    v1_directory: Path, contract: schema.FileContract, place: str
) -> None:
    path = v1_directory / contract.file_name
    with pytest.raises(DataError) as caught:
        read_raw(path, contract, hashlib.sha256(), strict=True)
    assert str(caught.value) == f"{v1_directory}/{place}"


def test_ids_of_listeners_and_sessions_are_numbers_or_texts_and_equal_by_their_text(
    directory: Path, small_directory: Path
) -> None:
    sessions = directory / "sessions.jsonl"
    lines = [json.loads(line) for line in sessions.read_text().splitlines()]
    for line in lines[::2]:  # every other line writes them as texts; users.jsonl as numbers
        line.update(user_id=str(line["user_id"]), session_id=str(line["session_id"]))
    sessions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    pd.testing.assert_frame_equal(read_dataset(directory).sessions, read_dataset(small_directory).sessions)
    assert read_dataset(directory).sessions["user_id"].dtype == "str"


def test_ids_may_be_any_text(directory: Path, small_directory: Path) -> None:
    for name in ("users.jsonl", "sessions.jsonl"):
        records = [json.loads(line) for line in (directory / name).read_text().splitlines()]
        for record in records:
            record.update({key: f"ą-{record[key]}" for key in ("user_id", "session_id") if key in record})
        (directory / name).write_text("".join(json.dumps(record) + "\n" for record in records))
    named, numbered = plays(read_dataset(directory)), plays(read_dataset(small_directory))
    assert named["listener_id"].tolist() == [f"ą-{number}" for number in numbered["listener_id"]]
    pd.testing.assert_frame_equal(
        named.drop(columns=["listener_id", "session_id"]),
        numbered.drop(columns=["listener_id", "session_id"]),
    )
