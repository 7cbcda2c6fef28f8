"""Reads a data set's folder: strictly, where the first fault ends it with a one-line error, or leniently."""

import hashlib
import stat
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.dataset import Catalogue, Dataset
from data.errors import DataError, reason
from data.reading.blocks import BLOCK_BYTES
from data.reading.lenient import repair
from data.reading.references import of_shared_session, of_unknown_listener, of_unknown_track
from data.reading.repairs import Repairs
from data.reading.table import RawTable, read_raw
from data.schema import CATALOGUE_FILES, DATASET_FILES, SESSIONS, TRACKS, USERS, FileContract


def read_dataset(directory: Path, *, lenient: bool = False) -> Dataset:
    """Reads the five files of a data set.

    Args:
        directory: Folder that holds them.
        lenient: Repair what can be repaired without guessing instead of refusing it; the data set's `repairs`
            say what was done.

    Returns:
        The tables. Every event's listener, and every PLAY's, SKIP's and LIKE's track, is in its file, and no
        session is of two listeners.

    Raises:
        DataError: The folder or a file is missing, or a line breaks its file's contract; when lenient, only
            what cannot be repaired.
    """
    tables, repairs, digest = _read(directory, DATASET_FILES, lenient)
    return Dataset(**tables, digest=digest, repairs=repairs)


def read_catalogue(directory: Path, *, lenient: bool = False) -> Catalogue:
    """Reads what is known of the tracks; needs neither sessions nor users.

    Args:
        directory: Folder that holds `artists.jsonl`, `tracks.jsonl` and `track_storage.jsonl`.
        lenient: Repair what can be repaired without guessing instead of refusing it.

    Returns:
        The tracks in file order, joined with genres and storage.

    Raises:
        DataError: The folder or a file is missing, or a line breaks its file's contract; when lenient, only
            what cannot be repaired.
    """
    tables, repairs, _ = _read(directory, CATALOGUE_FILES, lenient)
    return Catalogue.join(**tables, repairs=repairs)


def dataset_digest(directory: Path) -> str:
    """Returns the digest that `read_dataset` notes, without reading more than bytes.

    Raises:
        OSError: When a file cannot be read.
    """
    digest = hashlib.sha256()
    for contract in DATASET_FILES:
        with (directory / contract.file_name).open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()


def require_folder(directory: Path) -> None:
    """Raises a `DataError` unless there is such a folder."""
    try:
        is_folder = stat.S_ISDIR(directory.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(directory, None, None, "no such folder") from error
    except OSError as error:
        raise DataError(directory, None, None, reason(error)) from error
    if not is_folder:
        raise DataError(directory, None, None, "not a folder")


def is_missing(path: Path) -> bool:
    """Returns whether there is no such file; of one that may not be looked at, reading says why."""
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _read(
    directory: Path, contracts: tuple[FileContract, ...], lenient: bool
) -> tuple[dict[str, pd.DataFrame], Repairs, str]:
    """Returns the tables by name, what was repaired, and the SHA-256 over the files' bytes."""
    directory = Path(directory)
    require_folder(directory)
    for contract in contracts:  # before any is read: a missing file is the first thing to know
        if is_missing(directory / contract.file_name):
            raise DataError(directory / contract.file_name, None, None, "no such file")
    hasher = hashlib.sha256()
    raw = {contract.name: _raw(directory, contract, hasher, lenient) for contract in contracts}
    if lenient:
        tables, repairs = repair(raw)
        return tables, repairs, hasher.hexdigest()
    frames = {name: table.frame for name, table in raw.items()}
    if SESSIONS.name in frames:
        _require_references(raw[SESSIONS.name].path, frames)
    strict = {name: frame.reset_index(drop=True) for name, frame in frames.items()}
    return strict, Repairs(), hasher.hexdigest()


def _raw(directory: Path, contract: FileContract, hasher: "hashlib._Hash", lenient: bool) -> RawTable:
    path = directory / contract.file_name
    table = read_raw(path, contract, hasher, strict=not lenient)
    if table.n_rows == 0:
        raise DataError(
            path, None, None, "the file holds no rows" if path.stat().st_size else "the file is empty"
        )
    return table


def _require_references(path: Path, frames: dict[str, pd.DataFrame]) -> None:
    sessions, users, tracks = (frames[contract.name] for contract in (SESSIONS, USERS, TRACKS))

    def refuse(at_fault: NDArray[np.bool_], column: str, problem: str) -> None:
        for line, value in sessions.loc[at_fault, column].head(1).items():
            raise DataError(path, int(str(line)), column, problem.format(value=value))

    refuse(of_unknown_listener(sessions, users), "user_id", "no such listener: {value}")
    refuse(of_unknown_track(sessions, tracks), "track_id", "no such track: {value!r}")
    refuse(of_shared_session(sessions), "session_id", "session {value} is of more than one listener")
