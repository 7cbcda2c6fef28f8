"""The spool file: a SQLite database in WAL mode that all processes of a machine append to. Synchronous.

It belongs on a local disk: SQLite's write-ahead log does not work on network file systems.
"""

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from server.errors import StartError
from server.log.spool.rows import SCHEMA, SCHEMA_VERSION, SpoolRows
from server.log.spool.turn import Turn

FILE_NAME = "log.sqlite3"
"""The spool file's name in its folder."""

# Writers take turns by a lock of their own (see `turn`). SQLite's is still waited for, since checkpoints and
# readers' recovery take it alone.
_BUSY_TIMEOUT_S = 10.0


class SpoolFile(SpoolRows):
    """A spool file: opened, written in transactions, looked after.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, *, create: bool = True, expendable: bool = False) -> None:
        """Opens the file, or creates it.

        Args:
            path: The file.
            create: Whether to make it when it is not there.
            expendable: Whether another process may end this one when it stops within a transaction.

        Raises:
            StartError: When it cannot be opened, or is something else.
        """
        self.path = path
        self._expendable = expendable
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open(create=create)
        except (sqlite3.Error, OSError) as error:
            raise StartError(f"cannot open the spool {path}: {error}") from error

    def close(self) -> None:
        """Closes the file."""
        self.connection.close()
        self._turn.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Makes a block's statements one transaction, on disk at its end; undoes all when it raises.

        Raises:
            sqlite3.Error: When another writer kept the file too long, or the disk does not take it.
        """
        self._turn.take()
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
        finally:
            self._turn.give_back()

    def is_in_place(self) -> bool:
        """Returns whether the file is still where other processes look for it."""
        try:
            return self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def reopen(self) -> None:
        """Opens what is in the file's place now, or creates it, after it was deleted.

        Raises:
            sqlite3.Error: When it cannot be opened.
            OSError: When its folder cannot be made.
        """
        former, turn = self.connection, self._turn
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._open(create=True)
        former.close()
        turn.close()

    def compact(self) -> None:
        """Empties the write-ahead log into the file, so that it takes no room beside it."""
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def room_bytes(self) -> int:
        """Returns how much is free on the disk once the write-ahead log has been copied into the file."""
        disk = os.statvfs(self.path.parent)
        log = 0
        with suppress(FileNotFoundError):
            log = self.path.with_name(f"{self.path.name}-wal").stat().st_size
        return disk.f_bavail * disk.f_frsize - log

    def spare_bytes(self) -> int:
        """Returns how much of the file can be used again: rows that left have not made it smaller."""
        pages, size = (
            self.connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("freelist_count", "page_size")
        )
        return int(pages * size)

    def _open(self, *, create: bool) -> None:
        turn = Turn(self.path.with_suffix(".queue"), expendable=self._expendable)
        try:
            if create:
                turn.take()
                _remove_leftovers(self.path)
            self.connection, self._inode = _connect_in_place(self.path, create=create)
            if create:
                turn.give_back()
        except BaseException:
            turn.close()
            raise
        self._turn = turn


def _remove_leftovers(path: Path) -> None:
    """Removes what SQLite keeps beside a file that was deleted: it would take it for the new file's."""
    if not path.exists():
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def _connect_in_place(path: Path, *, create: bool) -> tuple[sqlite3.Connection, int]:
    """Opens a file; returns its inode as well, of exactly the file that was opened."""
    while True:
        before = path.stat().st_ino if path.exists() else None
        connection = _connect(path, create=create)
        with suppress(FileNotFoundError):
            if before in (None, inode := path.stat().st_ino):
                return connection, inode
        connection.close()  # it was replaced on the way


def _connect(path: Path, *, create: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY_TIMEOUT_S,
    )
    # What a failing disk gives back of a text need not be UTF-8. Such a row is no JSON then, and becomes a
    # dead letter; left to itself, sqlite3 would raise for the whole batch, for good.
    connection.text_factory = lambda text: text.decode(errors="backslashreplace")
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL makes each commit wait for the disk; NORMAL would lose answered records to a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        if sys.platform == "darwin":  # where fsync returns before the disk has it
            connection.execute("PRAGMA fullfsync = ON")
            connection.execute("PRAGMA checkpoint_fullfsync = ON")
        if connection.execute("PRAGMA user_version").fetchone()[0] < SCHEMA_VERSION:
            connection.executescript(SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
