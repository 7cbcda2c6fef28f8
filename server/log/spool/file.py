"""One spool file: a SQLite database in WAL mode, its lock, its place and its size. Synchronous."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from server.errors import StartError
from server.log.lock import lock_file
from server.log.spool.rows import SCHEMA, SpoolRows

# Several processes may write one file: a worker, and its siblings for the outcomes that reach them.
_BUSY_TIMEOUT_S = 10.0
_COPY_SUFFIX = ".restored"


class SpoolFile(SpoolRows):
    """A file of rows: opened, locked, looked after.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, *, own: bool = False, create: bool = True, within_s: float = 0.0) -> None:
        """Opens the file, or creates it.

        Args:
            path: The file.
            own: Whether to lock it: its worker has it, or who takes over what an ended worker left.
            create: Whether to make it when it is not there. Others than the owner must not: in the place of
                a file that was deleted, theirs would keep the owner from writing it anew.
            within_s: How long to wait for another owner to end, in seconds.

        Raises:
            StartError: When it cannot be opened, is something else, or has another owner.
        """
        self.path = path
        self._lock = lock_file(path.with_suffix(".lock"), within_s) if own else None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if own:
                _finish_restoring(path)
            self.connection, self._inode = _open_in_place(path, create=create)
        except (sqlite3.Error, OSError) as error:
            if self._lock is not None:
                self._lock.close()
            raise StartError(f"cannot open the spool {path}: {error}") from error

    def close(self) -> None:
        """Closes the file, and frees it."""
        self.connection.close()
        if self._lock is not None:
            self._lock.close()

    @property
    def is_own(self) -> bool:
        """Returns whether this process owns the file."""
        return self._lock is not None

    def is_in_place(self) -> bool:
        """Returns whether the file is still where the next start looks for it."""
        try:
            return self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def is_replaced(self) -> bool:
        """Returns whether another file is in its place, as when its owner has written it anew."""
        return not self.is_in_place() and self.path.exists()

    def restore(self) -> None:
        """Writes the file anew after it was deleted: while it is open, all that was in it can be read.

        Raises:
            OSError: When another file has taken its place, or it is another worker's.
            sqlite3.Error: When it cannot be written.
        """
        if self._lock is None or self.path.exists():
            raise OSError(f"{self.path} was deleted or replaced while it was open")
        lock = self.path.with_suffix(".lock")
        if not lock.exists():
            former, self._lock = self._lock, lock_file(lock)
            former.close()
        copy = self.path.with_suffix(_COPY_SUFFIX)
        copy.unlink(missing_ok=True)
        with closing(sqlite3.connect(copy)) as target:
            self.connection.backup(target)
        for suffix in ("-wal", "-shm"):  # of what was deleted: SQLite would take them for the new file's
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        _move(copy, self.path)
        try:
            fresh = _open(self.path)
        except sqlite3.Error:
            self.path.unlink()  # all of it is still in the old one: the next attempt begins anew
            raise
        self.connection.close()
        self.connection, self._inode = fresh, self.path.stat().st_ino

    def compact(self) -> None:
        """Empties the write-ahead log into the file, so that it takes no room beside it."""
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def log_bytes(self) -> int:
        """Returns the size of the write-ahead log."""
        try:
            return self.path.with_name(f"{self.path.name}-wal").stat().st_size
        except FileNotFoundError:
            return 0

    def spare_bytes(self) -> int:
        """Returns how much of the file can be used again: rows that left have not made it smaller."""
        pages, size = (
            self.connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("freelist_count", "page_size")
        )
        return int(pages * size)


def _open_in_place(path: Path, *, create: bool) -> tuple[sqlite3.Connection, int]:
    """Opens a file; returns its inode as well, of exactly the file that was opened."""
    while True:
        before = path.stat().st_ino if path.exists() else None
        connection = _open(path, create=create)
        if before in (None, inode := path.stat().st_ino):
            return connection, inode
        connection.close()  # it was replaced on the way


def _open(path: Path, *, create: bool = True) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY_TIMEOUT_S,
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL makes each commit wait for the disk; NORMAL would lose answered records to a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _finish_restoring(path: Path) -> None:
    """Takes the copy of a process that died between writing it and moving it into its place."""
    copy = path.with_suffix(_COPY_SUFFIX)
    if copy.exists() and not path.exists():
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()  # undoes a copy that is not whole
        _move(copy, path)


def _move(copy: Path, path: Path) -> None:
    """Renames a file so that a power cut cannot undo it."""
    copy.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
