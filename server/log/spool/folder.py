"""The spool folder: a file a worker, who has it, and what all of them hold."""

import fcntl
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import IO

from server.errors import StartError
from server.log.spool.file import SpoolFile
from server.log.spool.rows import SpoolCounts

SUFFIX = ".sqlite3"
_CLAIM_TIMEOUT_S = 10.0


def claim(path: Path, within_s: float = _CLAIM_TIMEOUT_S) -> IO[bytes]:
    """Claims a spool file for this process, however that ends.

    Args:
        path: The spool file.
        within_s: How long to wait for another process that holds it, in seconds.

    Returns:
        The lock; closing it frees the file.

    Raises:
        StartError: When another process keeps it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("ab")
    except OSError as error:
        raise StartError(f"cannot open the spool {path}: {error.strerror}") from error
    deadline = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except OSError:
            if time.monotonic() >= deadline:
                lock.close()
                raise StartError(f"the spool {path} is in use by another process") from None
            time.sleep(0.05)


def files_in(directory: Path) -> list[Path]:
    """Returns a folder's spool files, one a worker."""
    return sorted(directory.glob(f"*{SUFFIX}"))


def count_spooled(directory: Path, phase: tuple[str, str] | None = None) -> SpoolCounts:
    """Counts what a folder's spool files hold, without disturbing the servers that write them.

    Args:
        directory: The folder.
        phase: Counts only dead letters of this experiment and phase; None counts all.

    Raises:
        StartError: When a file cannot be read.
    """
    total = SpoolCounts()
    for path in files_in(directory):
        with closing(SpoolFile(path)) as file:
            try:
                total += file.counts(phase)
            except sqlite3.Error as error:
                raise StartError(f"cannot read the spool {path}: {error}") from error
    return total


def free_bytes(path: Path) -> int:
    """Returns how much room a file's disk has left."""
    disk = os.statvfs(path.parent)
    return disk.f_bavail * disk.f_frsize
