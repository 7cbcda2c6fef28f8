"""How much the spool holds, how old it is, and how delivery goes; whoever writes it does not notice."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from server.errors import StartError
from server.log.spool.counts import counts_of
from server.log.spool.file import FILE_NAME, SpoolFile
from server.log.spool.rows import Kind
from server.log.spool.turn import DELIVERY_LOCK_NAME, delivery_pid

_DEAD = """
SELECT count(*) FILTER (WHERE kind = 'prediction' AND CASE
        WHEN :phase IS NULL OR NOT json_valid(body) THEN TRUE
        ELSE coalesce(json_extract(body, '$.experiment') = :experiment
            AND json_extract(body, '$.phase') = :phase, TRUE) END),
    count(*) FILTER (WHERE kind = 'outcome')
FROM dead_letters
"""
_OLDEST = """
SELECT json_extract(body, '$.requested_at') FROM (
    SELECT body FROM predictions WHERE number > (SELECT position FROM delivery) ORDER BY number LIMIT 1)
WHERE json_valid(body)
UNION ALL
SELECT json_extract(body, '$.recorded_at') FROM (SELECT body FROM outcomes ORDER BY number LIMIT 1)
WHERE json_valid(body)
"""
_PART_ROWS = 1000  # of dead letters at a time, since callers wait meanwhile
_OF_PART = "dead.number BETWEEN :first AND :last AND dead.reason = coalesce(:reason, dead.reason)"
_PART_END = f"""
SELECT coalesce(max(number), :last) FROM (
    SELECT number FROM dead_letters AS dead WHERE {_OF_PART} ORDER BY number LIMIT {_PART_ROWS})
"""
# What callers may ask for again is kept where delivery has been already: it goes to the end of the queue.
_PREDICTIONS_AGAIN = f"""
INSERT OR REPLACE INTO predictions (prediction_id, body, keep_until)
SELECT dead.prediction_id, dead.body, kept.keep_until
FROM dead_letters AS dead LEFT JOIN predictions AS kept USING (prediction_id)
WHERE dead.kind = '{Kind.PREDICTION}' AND {_OF_PART}
    AND (kept.number IS NULL OR kept.number <= (SELECT position FROM delivery))
ORDER BY dead.number
"""
_OUTCOMES_AGAIN = f"""
INSERT INTO outcomes (prediction_id, body) SELECT prediction_id, body FROM dead_letters AS dead
WHERE kind = '{Kind.OUTCOME}' AND {_OF_PART} ORDER BY number
"""
_DELETE = (
    f"DELETE FROM dead_letters WHERE number IN (SELECT number FROM dead_letters AS dead WHERE {_OF_PART})"
)


@dataclass(frozen=True, slots=True)
class SpoolCounts:
    """How much lies in the spool, as the report counts it.

    Attributes:
        waiting: Predictions that MongoDB does not have yet.
        held_outcomes: Outcomes that are not joined to their predictions yet.
        dead_letters: Predictions that MongoDB refused for good.
        dead_outcomes: Outcomes of no logged prediction, or of one that had another outcome first.
    """

    waiting: int = 0
    held_outcomes: int = 0
    dead_letters: int = 0
    dead_outcomes: int = 0


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """The state of the spool and of its delivery.

    Attributes:
        waiting: Predictions that MongoDB does not have yet.
        waiting_outcomes: Outcomes that are not joined to their predictions yet.
        oldest: When the oldest of them was logged (UTC); None when nothing waits.
        dead: Dead letters by kind and reason.
        delivering: Whether a delivery process runs.
        away_since: Since when it finds no MongoDB (UTC); None when it does.
    """

    waiting: int = 0
    waiting_outcomes: int = 0
    oldest: datetime | None = None
    dead: Mapping[tuple[str, str], int] = field(default_factory=dict)
    delivering: bool = False
    away_since: datetime | None = None


def count_spooled(directory: Path, phase: tuple[str, str] | None = None) -> SpoolCounts:
    """Returns how much a folder's spool holds.

    Args:
        directory: The folder.
        phase: Counts only dead predictions of this experiment and phase, and those that cannot be read; None
            counts all.

    Raises:
        StartError: When the spool cannot be read.
    """
    experiment, phase_id = phase or (None, None)
    with _opened(directory) as file:
        if file is None:
            return SpoolCounts()
        dead = file.connection.execute(_DEAD, {"experiment": experiment, "phase": phase_id}).fetchone()
        return SpoolCounts(_count_predictions(file), file.waiting_outcomes(), *dead)


def read_status(directory: Path) -> SpoolStatus:
    """Returns the state of a folder's spool and of its delivery.

    Raises:
        StartError: When the spool cannot be read.
    """
    with _opened(directory) as file:
        if file is None:
            return SpoolStatus()
        query = "SELECT kind, reason, count(*) FROM dead_letters GROUP BY kind, reason ORDER BY kind, reason"
        dead = {(kind, reason): n for kind, reason, n in file.connection.execute(query)}
        times = [_instant(text) for (text,) in file.connection.execute(_OLDEST)]
        away_since = file.connection.execute("SELECT away_since FROM delivery").fetchone()[0]
        return SpoolStatus(
            waiting=_count_predictions(file),
            waiting_outcomes=file.waiting_outcomes(),
            oldest=min((time for time in times if time is not None), default=None),
            dead=dead,
            delivering=delivery_pid(directory / DELIVERY_LOCK_NAME) is not None,
            away_since=None if away_since is None else datetime.fromtimestamp(away_since, UTC),
        )


def read_counts(directory: Path) -> Mapping[tuple[str, str], float]:
    """Returns what the delivery of a folder's spool has counted, by name and label.

    Raises:
        StartError: When the spool cannot be read.
    """
    with _opened(directory) as file:
        return {} if file is None else counts_of(file.connection)


def size_bytes(directory: Path) -> int:
    """Returns how much of the disk a folder's spool takes, its write-ahead log included.

    Raises:
        OSError: When the folder cannot be read.
    """
    sizes = []
    for path in directory.glob(f"{FILE_NAME}*"):
        with suppress(FileNotFoundError):
            sizes.append(path.stat().st_size)
    return sum(sizes)


def _count_predictions(file: SpoolFile) -> int:
    """Returns exactly how many predictions wait; counts them."""
    query = "SELECT count(*) FROM predictions WHERE number > (SELECT position FROM delivery)"
    return int(file.connection.execute(query).fetchone()[0])


def retry_dead_letters(directory: Path, reason: str | None = None) -> int:
    """Puts dead letters back into the queue; returns how many.

    Args:
        directory: The spool's folder.
        reason: Only those that died of it; None for all.

    Raises:
        StartError: When the spool cannot be changed.
    """
    return _settle(directory, reason, _PREDICTIONS_AGAIN, _OUTCOMES_AGAIN)


def purge_dead_letters(directory: Path, reason: str | None = None) -> int:
    """Drops dead letters for good; returns how many; see `retry_dead_letters`."""
    return _settle(directory, reason)


def _settle(directory: Path, reason: str | None, *changes: str) -> int:
    """Changes and deletes the dead letters that are there now, part by part; returns how many."""
    settled = last = 0
    with _opened(directory) as file:
        if file is None:
            return 0
        # No further: what is delivered again meanwhile, and refused again, comes behind it.
        end = file.connection.execute("SELECT coalesce(max(number), 0) FROM dead_letters").fetchone()[0]
        while last < end:
            with file.transaction():
                part = {"reason": reason, "first": last + 1, "last": end}
                part["last"] = last = file.connection.execute(_PART_END, part).fetchone()[0]
                for change in changes:
                    file.connection.execute(change, part)
                settled += file.connection.execute(_DELETE, part).rowcount
        return settled


@contextmanager
def _opened(directory: Path) -> Iterator[SpoolFile | None]:
    """Opens a folder's spool for the duration of a block; yields None where there is none."""
    path = directory / FILE_NAME
    try:
        if not path.exists():
            yield None
            return
        with closing(SpoolFile(path, create=False)) as file:
            yield file
    except (sqlite3.Error, OSError) as error:
        raise StartError(f"cannot use the spool {path}: {error}") from error


def _instant(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None
