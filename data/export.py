"""Writes plays to a file that is either whole or not there."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from data.atomic_write import atomic_file
from data.errors import DataError
from data.schema import DATASET_FILES


def _write_jsonl(plays: pd.DataFrame, path: Path) -> None:
    if plays.empty:  # pandas would write a blank line
        path.touch()
        return
    times = plays["started_at"].dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
    plays.assign(started_at=times).to_json(path, orient="records", lines=True, double_precision=6)


def _write_parquet(plays: pd.DataFrame, path: Path) -> None:
    plays.to_parquet(path, index=False)


_WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}


def require_known_suffix(path: Path) -> None:
    """Refuses a file whose suffix names no format that plays are written in.

    Raises:
        DataError: It is neither `.jsonl` nor `.parquet`.
    """
    if path.suffix not in _WRITERS:
        shown = f"'{path.suffix}'" if path.suffix else "a file without suffix"
        raise DataError(path, None, None, f"cannot write {shown}: use .jsonl or .parquet")


def require_no_source(path: Path, directory: Path) -> None:
    """Refuses to write over a file of the data set that is read.

    Raises:
        DataError: `path` is one of the files of the data set in `directory`.
    """
    names = {contract.file_name for contract in DATASET_FILES}
    if path.name in names and path.parent.resolve() == directory.resolve():
        raise DataError(path, None, None, "is part of the data set itself: not overwritten")


def write_plays(plays: pd.DataFrame, path: Path) -> None:
    """Writes plays in the format that the suffix names; an older file is replaced at one stroke.

    Args:
        plays: What `data.plays` returned.
        path: File to write; its folder is made when missing.

    Raises:
        DataError: The suffix is unknown, or the file cannot be written.
    """
    require_known_suffix(path)
    with atomic_file(path) as fresh:
        _WRITERS[path.suffix](plays, fresh)
