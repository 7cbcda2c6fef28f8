"""Writes a data set's files, and puts a finished folder in its place at one stroke."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import DataError
from data.generator.sessions import EVENTS, EventBlock
from data.schema import DATASET_FILES


@contextmanager
def replaced_folder(directory: Path) -> Iterator[Path]:
    """Gives an empty folder to fill, which takes the place of `directory` when the block ends well.

    When it does not, `directory` stays as it was and nothing is left beside it.

    Args:
        directory: Where the data set shall be; may be missing, empty, or hold a data set that is replaced.

    Raises:
        DataError: `directory` holds something else than a data set, or cannot be written.
    """
    directory = Path(directory)
    _refuse_to_lose(directory)
    try:
        target = directory.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as beside:
            fresh, old = Path(beside) / "new", Path(beside) / "old"
            fresh.mkdir()
            yield fresh
            if target.exists():
                target.rename(old)
            try:
                fresh.rename(target)
            except OSError:
                if old.exists():
                    old.rename(target)
                raise
    except OSError as error:
        raise DataError(
            directory, None, None, f"cannot write: {(error.strerror or str(error)).lower()}"
        ) from error


def _refuse_to_lose(directory: Path) -> None:
    if not directory.exists():
        return
    if not directory.is_dir():
        raise DataError(directory, None, None, "not a folder: not overwritten")
    ours = {contract.file_name for contract in DATASET_FILES}
    strangers = sorted(set(os.listdir(directory)) - ours)
    if strangers:
        raise DataError(
            directory, None, None, f"holds {strangers[0]!r}, which no data set has: not overwritten"
        )


def write_rows(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Writes columns of equal length as one JSON object a line."""
    names = list(columns)
    with path.open("w", encoding="ascii", newline="\n") as file:
        for row in zip(*columns.values(), strict=True):
            file.write(json.dumps(dict(zip(names, row, strict=True))) + "\n")


def event_lines(block: EventBlock, listener_id: int, first_session_id: int, track_ids: Sequence[str]) -> str:
    """Returns a block's events as lines of `sessions.jsonl`.

    The lines are put together without a JSON encoder, which would take most of the time: nothing in them
    needs escaping.
    """
    tails = [f'", "event_type": "{event}", "session_id": ' for event in EVENTS]
    middle = f'", "user_id": {listener_id}, "track_id": "'
    # Python's isoformat, as in the real release: microseconds, left out when they are zero.
    times = np.datetime_as_string(block.at.astype("datetime64[us]")).tolist()
    rows = zip(times, block.track.tolist(), block.event.tolist(), block.session.tolist(), strict=True)
    ids = [*track_ids, ""]  # the last one serves the events without a track, whose row is -1
    return "".join(
        [
            f'{{"timestamp": "{time.removesuffix(".000000")}{middle}{ids[track]}{tails[event]}'
            f"{first_session_id + session}}}\n"
            for time, track, event, session in rows
        ]
    )
