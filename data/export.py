"""Writes plays to a file that is either whole or not there."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from data.errors import DataError


def _write_jsonl(plays: pd.DataFrame, path: Path) -> None:
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


def write_plays(plays: pd.DataFrame, path: Path) -> None:
    """Writes plays in the format that the suffix names; an older file is replaced at one stroke.

    Args:
        plays: What `data.plays` returned.
        path: File to write; its folder is made when missing.

    Raises:
        DataError: The suffix is unknown, or the file cannot be written.
    """
    require_known_suffix(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as beside:
            whole = Path(beside) / path.name
            _WRITERS[path.suffix](plays, whole)
            os.replace(whole, path)
    except OSError as error:
        raise DataError(
            path, None, None, f"cannot write: {(error.strerror or str(error)).lower()}"
        ) from error
