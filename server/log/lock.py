"""Locks that the system takes back however their holder ends."""

import fcntl
import time
from pathlib import Path
from typing import IO

from server.errors import StartError


class LockedError(StartError):
    """Another process has it."""


def lock_folder(directory: Path) -> IO[bytes]:
    """Locks a folder for this process; see `lock_file`."""
    return lock_file(directory / "lock")


def lock_file(path: Path, within_s: float = 0.0) -> IO[bytes]:
    """Locks a file for this process; makes it, and its folder, when missing.

    Args:
        path: The lock file.
        within_s: How long to wait for another process that holds it, in seconds.

    Returns:
        The lock: closing it, or ending the process in any way, frees it.

    Raises:
        LockedError: When another process keeps it.
        StartError: When the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("ab")
    except OSError as error:
        raise StartError(f"cannot write to {path.parent}: {error.strerror}") from error
    deadline = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except OSError:
            if time.monotonic() >= deadline:
                lock.close()
                raise LockedError(
                    f"{path.parent} is in use by another server; give this one another folder by"
                    " PLAYTHROUGH_VAR_DIR"
                ) from None
            time.sleep(0.05)
