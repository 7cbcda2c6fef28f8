"""Takes over what ended workers left in their spool files: there may be fewer workers than last time."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import structlog

from server.errors import StartError
from server.log.spool.file import SpoolFile
from server.log.spool.folder import claim, files_in

_BATCH_ROWS = 1000
_MOVES = "moves"

_log = structlog.get_logger("server.log.spool.spool")


def adopt(heir: SpoolFile) -> None:
    """Moves here what waits in files whose worker is not there.

    A file that cannot be moved, since the disk is full or the file broken, stays as it is for the next start.

    Args:
        heir: An open file whose own worker does not serve yet.
    """
    for path in files_in(heir.path.parent):
        if path == heir.path:
            continue
        try:
            lock = claim(path, within_s=0)
        except StartError:  # its worker lives
            continue
        with lock:
            try:
                with closing(SpoolFile(path)) as other:
                    waiting = other.counts().waiting
                    if waiting:
                        _log.info("spool_adopted", spool=str(path), waiting=waiting)
                    take_over(heir, other)
            except (StartError, sqlite3.Error, OSError) as error:
                _log.error("spool_not_adopted", spool=str(path), reason=str(error))


def take_over(heir: SpoolFile, other: SpoolFile) -> None:
    """Moves all that waits in another file here; a crash leaves it in one of them, or in both."""
    while _take_batch(heir, other):
        pass


def moves(directory: Path) -> int:
    """Returns a number that grows whenever rows are about to leave one file of a folder for another.

    Who looks through the files one after the other can miss a row that moves meanwhile, but not this.
    """
    try:
        return (directory / _MOVES).stat().st_size
    except FileNotFoundError:
        return 0


def _take_batch(heir: SpoolFile, other: SpoolFile) -> bool:
    """Moves some; returns False when nothing was left."""
    with _transaction(other.connection):  # its lock, so that no worker gives a row an outcome on the way
        rows, held = other.oldest(_BATCH_ROWS), other.oldest_outcomes(_BATCH_ROWS)
        if not rows and not held:
            return False
        with _transaction(heir.connection):
            for row in rows:
                heir.receive(row)
            for outcome in held:
                heir.receive_outcome(outcome)
        with (heir.path.parent / _MOVES).open("ab") as counter:
            counter.write(b".")
        other.remove(rows)
        other.remove_outcomes(held)
    return True


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Makes the statements of a block one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
