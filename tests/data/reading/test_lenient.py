"""Lenient reading repairs what needs no guess, says so, and yields what strict reading would accept."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from cache_client.cli import app as cache_client
from data import Catalogue, DataError, Dataset, plays, read_catalogue, read_dataset
from data.schema import DATASET_FILES

Records = dict[str, list[Any]]
TABLES = [contract.name for contract in DATASET_FILES]


def _repairs(data: Dataset | Catalogue) -> list[tuple[Any, ...]]:
    return [dataclasses.astuple(item) for item in data.repairs]


def _set(table: str, line: int, **values: Any) -> Callable[[Records], object]:
    return lambda records: records[table][line - 1].update(values)


def _put(table: str, line: int, text: str | bytes) -> Callable[[Records], object]:
    return lambda records: records[table].__setitem__(line - 1, text)


def _append(table: str, line: int, **values: Any) -> Callable[[Records], object]:
    return lambda records: records[table].append({**records[table][line - 1], **values})


def _two_tracks_without_artist(records: Records) -> None:
    records["tracks"].append({**records["tracks"][0], "id": "T3", "id_artist": None})
    records["tracks"].append({**records["tracks"][0], "id": "T4", "id_artist": ""})


REPAIRED: list[tuple[Callable[[Records], object], list[tuple[Any, ...]]]] = [
    (_set("artists", 1, id=-1), [("artists", "dropped", "sentinel", "id", 1, 1)]),
    (_set("artists", 2, genres=None), [("artists", "filled", "null", "genres", 1, 2)]),
    (_set("artists", 2, name=None), [("artists", "filled", "null", "name", 1, 2)]),
    (_set("artists", 2, id=-1, genres=None), [("artists", "dropped", "sentinel", "id", 1, 2)]),
    (
        _two_tracks_without_artist,
        [
            ("tracks", "dropped", "null", "id_artist", 1, 3),
            ("tracks", "dropped", "empty", "id_artist", 1, 4),
        ],
    ),
    (
        _set("tracks", 1, energy=float("nan")),
        [
            ("tracks", "dropped", "not-finite", "energy", 1, 1),
            ("sessions", "dropped", "unknown-track", "track_id", 4, 1),
        ],
    ),
    (_set("users", 1, favourite_genres=None), [("users", "filled", "null", "favourite_genres", 1, 1)]),
    (
        _set("users", 2, premium_user=None),
        [
            ("users", "dropped", "null", "premium_user", 1, 2),
            ("sessions", "dropped", "unknown-listener", "user_id", 2, 6),
        ],
    ),
    (_append("users", 1), [("users", "dropped", "duplicate-id", "user_id", 1, 3)]),
    (
        _append("users", 2, premium_user=True),
        [
            ("users", "dropped", "contradicting-id", "user_id", 2, 2),
            ("sessions", "dropped", "unknown-listener", "user_id", 2, 6),
        ],
    ),
    (
        _set("track_storage", 1, daily_cost=None),
        [("track_storage", "dropped", "null", "daily_cost", 1, 1)],
    ),
    (_set("sessions", 3, user_id=None), [("sessions", "dropped", "null", "user_id", 1, 3)]),
    (_set("sessions", 3, event_type=None), [("sessions", "dropped", "null", "event_type", 1, 3)]),
    (_set("sessions", 3, track_id=None), [("sessions", "dropped", "null", "track_id", 1, 3)]),
    (_set("sessions", 4, track_id=None), [("sessions", "filled", "null", "track_id", 1, 4)]),
    (_set("sessions", 4, track_id=7), [("sessions", "filled", "wrong-type", "track_id", 1, 4)]),
    (_set("sessions", 4, track_id="nan"), [("sessions", "filled", "sentinel", "track_id", 1, 4)]),
    (_set("sessions", 5, track_id=""), [("sessions", "dropped", "unknown-track", "track_id", 1, 5)]),
    (_set("sessions", 5, timestamp="noon"), [("sessions", "dropped", "bad-time", "timestamp", 1, 5)]),
    (_set("sessions", 7, user_id=1), [("sessions", "dropped", "two-listeners", "session_id", 2, 6)]),
    (_put("sessions", 2, "{"), [("sessions", "dropped", "not-json", None, 1, 2)]),
    (_put("sessions", 2, '{"user_id": 1, "user_id": 2}'),
     [("sessions", "dropped", "duplicate-key", "user_id", 1, 2)]),
    (lambda r: r["artists"].insert(0, b"\xef\xbb\xbf" + b"[]"),
     [("artists", "ignored", "byte-order-mark", None, 1, 1),
      ("artists", "dropped", "not-an-object", None, 1, 1)]),
]  # fmt: skip


@pytest.mark.parametrize(("plant", "repairs"), REPAIRED, ids=[str(row[1][0][:4]) for row in REPAIRED])
def test_a_fault_is_repaired_and_reported(
    make_folder: Callable[..., Path],
    tmp_path: Path,
    plant: Callable[[Records], object],
    repairs: list[tuple[Any, ...]],
) -> None:
    dataset = read_dataset(make_folder(plant), lenient=True)
    assert _repairs(dataset) == repairs
    assert read_dataset(_written(dataset, tmp_path / "written")).sessions.shape == dataset.sessions.shape
    assert plays(dataset)["track_id"].ne("").all()


def _written(dataset: Dataset, directory: Path) -> Path:
    directory.mkdir()
    for name in TABLES:
        table = getattr(dataset, name)
        if "timestamp" in table:
            table = table.assign(timestamp=table["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%S.%f"))
        table.to_json(directory / f"{name}.jsonl", orient="records", lines=True)
    return directory


def test_a_clean_data_set_is_read_alike_and_nothing_is_reported(make_folder: Callable[..., Path]) -> None:
    directory = make_folder()
    strict, lenient = read_dataset(directory), read_dataset(directory, lenient=True)
    assert not lenient.repairs
    assert strict.digest == lenient.digest
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(strict, name), getattr(lenient, name))


def test_a_filled_list_is_empty(make_folder: Callable[..., Path]) -> None:
    directory = make_folder(_set("artists", 1, genres=None))
    assert read_dataset(directory, lenient=True).artists["genres"].tolist() == [[], ["rock"]]
    catalogue = read_catalogue(directory, lenient=True)
    assert catalogue.tracks["genres"].tolist() == [[], ["rock"]]
    assert _repairs(catalogue) == [("artists", "filled", "null", "genres", 1, 1)]


def test_strict_is_the_default(make_folder: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=r"artists\.jsonl:1: column 'genres': null"):
        read_dataset(make_folder(_set("artists", 1, genres=None)))


def test_a_file_without_a_usable_row_is_refused_by_its_first_fault(make_folder: Callable[..., Path]) -> None:
    directory = make_folder(lambda r: r.update(users=[b"\x89PNG\r", b"\x1a"]))
    with pytest.raises(DataError) as refused:
        read_dataset(directory, lenient=True)
    assert str(refused.value) == f"{directory / 'users.jsonl'}:1: not UTF-8 (byte 1 of the line)"


def test_v1_lacks_its_tracks_in_one_line(v1_directory: Path) -> None:
    with pytest.raises(DataError) as refused:
        read_dataset(v1_directory, lenient=True)
    assert str(refused.value) == f"{v1_directory / 'tracks.jsonl'}: no such file"


def test_v1_with_the_tracks_of_v2(v1_directory: Path, v2_directory: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(v1_directory, tmp_path / "dataset"))
    shutil.copy(v2_directory / "tracks.jsonl", directory)
    dataset = read_dataset(directory, lenient=True)
    counts = {
        (item.file, item.action, item.reason, item.column): item.count
        for item in dataset.repairs
        if item.file != "sessions"
    }
    assert counts == {
        ("artists", "dropped", "sentinel", "id"): 494,
        ("artists", "filled", "null", "genres"): 517,  # the other 27 have no id, either
        ("users", "dropped", "null", "premium_user"): 1,
        ("users", "filled", "null", "favourite_genres"): 5,
    }
    assert dataset.repairs.dropped("sessions") == 3626 - len(dataset.sessions)
    assert len(plays(dataset)) == (dataset.sessions["event_type"] == "PLAY").sum()


def test_the_simulator_takes_lenient_as_every_command_that_reads_data(
    make_folder: Callable[..., Path],
) -> None:
    directory = make_folder(_set("users", 1, favourite_genres=None))
    arguments = ["simulate", "--data", str(directory), "--policy", "none", "--holdout", "1"]
    refused = CliRunner().invoke(cache_client, arguments)
    assert refused.exit_code == 1
    assert "users.jsonl:1: column 'favourite_genres': null" in refused.stderr
    repaired = CliRunner().invoke(cache_client, [*arguments, "--lenient"])
    assert repaired.exit_code == 0
    row = next(line for line in repaired.stderr.splitlines() if "favourite_genres" in line)
    assert row.split() == ["users", "favourite_genres", "null", "filled", "1", "1"]
