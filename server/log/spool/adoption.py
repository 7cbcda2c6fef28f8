"""Adopts what ended workers left in their spool files: there may be fewer workers than last time."""

import sqlite3
from contextlib import closing
from pathlib import Path

import structlog

from server.errors import OutcomeConflictError, StartError
from server.log.lock import LockedError
from server.log.spool.file import SpoolFile
from server.log.spool.folder import files_in

_BATCH_RECORDS = 1000
_MOVES = "moves"

_log = structlog.get_logger("server.log.spool.adoption")


def adopt(file: SpoolFile) -> None:
    """Moves here what waits in files whose worker is not there.

    A file that cannot be moved, since the disk is full or the file broken, stays as it is for the next start.

    Args:
        file: An open file whose own worker does not serve yet.
    """
    for path in files_in(file.path.parent):
        if path == file.path:
            continue
        try:
            with closing(SpoolFile(path, own=True)) as other:
                waiting = other.counts().waiting
                if waiting:
                    _log.info("spool_adopted", spool=str(path), waiting=waiting)
                move_all(other, file)
        except LockedError:  # its worker lives
            continue
        except (StartError, sqlite3.Error, OSError, ValueError) as error:
            _log.error("spool_not_adopted", spool=str(path), reason=str(error))


def move_all(source: SpoolFile, target: SpoolFile) -> None:
    """Moves all that waits from one file to another; a crash leaves it in one of them, or in both."""
    while _move_batch(source, target):
        pass


def count_moves(directory: Path) -> int:
    """Returns a number that grows whenever rows are about to leave one file of a folder for another.

    Who looks through the files one after the other can miss a row that moves meanwhile, but not this.
    """
    try:
        return (directory / _MOVES).stat().st_size
    except FileNotFoundError:
        return 0


def _move_batch(source: SpoolFile, target: SpoolFile) -> bool:
    """Moves some; returns False when nothing was left."""
    with source.transaction():  # its lock, so that no worker gives a row an outcome on the way
        records, held = source.oldest(_BATCH_RECORDS), source.held_outcomes(_BATCH_RECORDS, due=False)
        if not records and not held:
            return False
        with target.transaction():  # committed first: a crash repeats rows, and loses none
            target.insert(records)
            outcomes = [(record.prediction_id, record.outcome) for record in records if record.outcome]
            for prediction_id, outcome in [*outcomes, *held.items()]:
                try:
                    target.hold(prediction_id, outcome)  # joins it to a prediction that was here already
                except OutcomeConflictError as error:
                    target.dead_letter_outcome(prediction_id, outcome, str(error))
        with (target.path.parent / _MOVES).open("ab") as counter:
            counter.write(b".")
        source.remove(records)
        source.remove_outcomes(held)
    return True
