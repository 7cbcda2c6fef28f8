"""Reads a data set's folder, strictly: the first fault ends it with a one-line error."""

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd

from data.dataset import Catalogue, Dataset
from data.errors import DataError
from data.jsonl import read_table
from data.lines import line_of_row
from data.schema import (
    ARTISTS,
    CATALOGUE_FILES,
    DATASET_FILES,
    SESSIONS,
    TRACK_EVENT_TYPES,
    TRACK_STORAGE,
    TRACKS,
    USERS,
    FileContract,
)


def read_dataset(directory: Path) -> Dataset:
    """Reads the five files of a data set.

    Args:
        directory: Folder that holds them.

    Returns:
        The tables. Every event's listener, and every PLAY's, SKIP's and LIKE's track, is in its file.

    Raises:
        DataError: The folder or a file is missing, or a line breaks its file's contract.
    """
    tables, digest = _read(directory, DATASET_FILES)
    sessions, path = tables[SESSIONS.file_name], directory / SESSIONS.file_name
    _require_known(path, sessions, "user_id", "listener", tables[USERS.file_name]["user_id"])
    about_a_track = sessions[sessions["event_type"].isin(TRACK_EVENT_TYPES)]
    _require_known(path, about_a_track, "track_id", "track", tables[TRACKS.file_name]["id"])
    return Dataset(
        artists=tables[ARTISTS.file_name],
        tracks=tables[TRACKS.file_name],
        users=tables[USERS.file_name],
        track_storage=tables[TRACK_STORAGE.file_name],
        sessions=sessions,
        digest=digest,
    )


def read_catalogue(directory: Path) -> Catalogue:
    """Reads what is known of the tracks; needs neither sessions nor users.

    Args:
        directory: Folder that holds `artists.jsonl`, `tracks.jsonl` and `track_storage.jsonl`.

    Returns:
        The tracks in file order, joined with genres and storage.

    Raises:
        DataError: The folder or a file is missing, or a line breaks its file's contract.
    """
    tables, _ = _read(directory, CATALOGUE_FILES)
    return Catalogue.join(*(tables[contract.file_name] for contract in CATALOGUE_FILES))


def _read(directory: Path, contracts: tuple[FileContract, ...]) -> tuple[dict[str, pd.DataFrame], str]:
    """Returns the tables by file name, and the SHA-256 over the files' bytes."""
    directory = Path(directory)
    if not directory.exists():
        raise DataError(directory, None, None, "no such folder")
    if not directory.is_dir():
        raise DataError(directory, None, None, "not a folder")
    for contract in contracts:  # before any is read: a missing file is the first thing to know
        if not (directory / contract.file_name).exists():
            raise DataError(directory / contract.file_name, None, None, "no such file")
    hasher = hashlib.sha256()
    tables = {contract.file_name: read_table(directory, contract, hasher) for contract in contracts}
    return tables, hasher.hexdigest()


def _require_known(path: Path, rows: pd.DataFrame, column: str, noun: str, known: "pd.Series[Any]") -> None:
    unknown = rows[column][~rows[column].isin(known)]
    for row, value in unknown.head(1).items():
        raise DataError(path, line_of_row(path, int(str(row))), column, f"no such {noun}: {value!r}")
