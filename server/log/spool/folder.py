"""The spool folder: a file a worker, and what all of them hold."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from server.errors import StartError
from server.log.spool.file import SpoolFile
from server.log.spool.rows import SpoolCounts

SUFFIX = ".sqlite3"


def files_in(directory: Path) -> list[Path]:
    """Returns a folder's spool files, one a worker."""
    return sorted(directory.glob(f"*{SUFFIX}"))


def count_spooled(directory: Path, phase: tuple[str, str] | None = None) -> SpoolCounts:
    """Returns how much a folder's spool files hold; the servers that write them do not notice.

    Args:
        directory: The folder.
        phase: Counts only dead letters of this experiment and phase; None counts all.

    Raises:
        StartError: When a file cannot be read.
    """
    total = SpoolCounts()
    for path in files_in(directory):
        with closing(SpoolFile(path, create=False)) as file:
            try:
                total += file.counts(phase)
            except sqlite3.Error as error:
                raise StartError(f"cannot read the spool {path}: {error}") from error
    return total


def free_bytes(path: Path) -> int:
    """Returns how much room a file's disk has left."""
    disk = os.statvfs(path.parent)
    return disk.f_bavail * disk.f_frsize
