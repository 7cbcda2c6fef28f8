"""One process at a time per folder: a lock that the system takes back however its holder ends."""

import fcntl
from pathlib import Path
from typing import IO

from server.errors import StartError


def lock_folder(directory: Path) -> IO[bytes]:
    """Claims a folder for this process.

    Args:
        directory: The folder; made when missing.

    Returns:
        The lock: closing it, or ending the process in any way, frees the folder.

    Raises:
        StartError: When another process has claimed it, or it cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "lock").open("ab")
    except OSError as error:
        raise StartError(f"cannot write to {directory}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StartError(
            f"{directory} is in use by another server; give this one another folder by PLAYTHROUGH_VAR_DIR"
        ) from None
    return lock
