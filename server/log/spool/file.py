"""One spool file: a SQLite database in WAL mode, and the statements that it takes. Synchronous."""

import operator
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

import msgspec
from msgspec.structs import replace

from server.errors import OutcomeConflictError, StartError
from server.log.lock import lock_file
from server.log.record import Outcome, PredictionRecord

# Several processes may write one file: a worker, and its siblings for the outcomes that reach them.
_BUSY_TIMEOUT_S = 10.0
LONGEST_DELAY_S = 60.0
"""How long a held outcome can be kept from being due at most."""

# `body` is the record without its outcome, in JSON. `outcomes` holds those whose prediction is not in this
# file; `next_try` is when to look for it again.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS predictions (
    prediction_id TEXT PRIMARY KEY, body TEXT NOT NULL, outcome TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcomes (
    prediction_id TEXT PRIMARY KEY, outcome TEXT NOT NULL, held_at REAL NOT NULL, next_try REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead_letters (
    number INTEGER PRIMARY KEY, prediction_id TEXT NOT NULL, body TEXT, outcome TEXT, reason TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS dead_letters_by_id ON dead_letters (prediction_id);
"""
# An outcome that was refused is no prediction to which another could be joined.
_DEAD_PREDICTIONS = "(SELECT * FROM dead_letters WHERE body IS NOT NULL)"
_GIVE_OUTCOME = (
    "UPDATE predictions SET outcome = ? WHERE prediction_id = ?",
    "UPDATE dead_letters SET outcome = ? WHERE prediction_id = ? AND body IS NOT NULL",
)
# What cannot be read counts for every phase.
_COUNTS = """
SELECT (SELECT count(*) FROM predictions), (SELECT count(*) FROM outcomes),
    (SELECT count(*) FROM dead_letters WHERE body IS NOT NULL AND CASE
        WHEN :phase IS NULL OR NOT json_valid(body) THEN TRUE
        ELSE coalesce(json_extract(body, '$.experiment') = :experiment
            AND json_extract(body, '$.phase') = :phase, TRUE) END),
    (SELECT count(*) FROM dead_letters WHERE body IS NULL)
"""
# Each step of a statement hands the interpreter over to the event loop and waits to have it back. So what
# comes with every prediction, to add, to read and to remove them, is one statement with one step a group.
_OLDEST = """
SELECT json_group_array(json_array(prediction_id, body, outcome))
FROM (SELECT * FROM predictions ORDER BY prediction_id LIMIT ?)
"""
_REMOVE = "DELETE FROM predictions WHERE prediction_id IN (SELECT value FROM json_each(?))"
_MOST_ROWS = 1000  # of one INSERT; SQLite takes 32,766 parameters

_encoder = msgspec.json.Encoder()
_rows_decoder = msgspec.json.Decoder(list[tuple[str, str, str | None]])
_record_decoder = msgspec.json.Decoder(PredictionRecord)
_outcome_decoder = msgspec.json.Decoder(Outcome)


@dataclass(frozen=True, slots=True)
class SpoolCounts:
    """How much lies in spool files.

    Attributes:
        waiting: Predictions that MongoDB does not have yet.
        held_outcomes: Outcomes that wait for MongoDB to know their prediction.
        dead_letters: Predictions that MongoDB refused for good.
        dead_outcomes: Outcomes of no logged prediction, or of one that had another outcome first.
    """

    waiting: int = 0
    held_outcomes: int = 0
    dead_letters: int = 0
    dead_outcomes: int = 0

    def __add__(self, other: "SpoolCounts") -> "SpoolCounts":
        """Returns the counts of both."""
        return SpoolCounts(*map(operator.add, astuple(self), astuple(other)))


class SpoolFile:
    """The statements. What writes belongs in a `transaction`.

    Attributes:
        path: The file.
        connection: The database.
        waiting: How many predictions are here, while this process alone adds and removes some; set by
            `count`, and kept up to date from then on.
        held: How many held outcomes are here, likewise.
    """

    def __init__(self, path: Path, *, own: bool = False, within_s: float = 0.0) -> None:
        """Opens the file, or creates it.

        Args:
            path: The file.
            own: Whether to lock it: its worker has it, or who takes over what an ended worker left.
            within_s: How long to wait for another owner to end, in seconds.

        Raises:
            StartError: When it cannot be opened, is something else, or has another owner.
        """
        self.path = path
        self.waiting = self.held = 0
        self._lock = lock_file(path.with_suffix(".lock"), within_s) if own else None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.connection = _open(path)
            self._inode = path.stat().st_ino
        except (sqlite3.Error, OSError) as error:
            if self._lock is not None:
                self._lock.close()
            raise StartError(f"cannot open the spool {path}: {error}") from error

    def close(self) -> None:
        """Closes the file, and frees it."""
        self.connection.close()
        if self._lock is not None:
            self._lock.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Makes the statements of a block one transaction, and undoes all of them when it raises."""
        self.connection.execute("BEGIN IMMEDIATE")
        before = self.waiting, self.held
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            self.waiting, self.held = before
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    def is_in_place(self) -> bool:
        """Returns whether the file is still where the next start looks for it."""
        try:
            return self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

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
        copy = self.path.with_suffix(".restored")
        copy.unlink(missing_ok=True)
        with closing(sqlite3.connect(copy)) as target:
            self.connection.backup(target)
        for suffix in ("-wal", "-shm"):  # of what was deleted: SQLite would take them for the new file's
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        copy.rename(self.path)
        self.connection.close()
        self.connection = _open(self.path)
        self._inode = self.path.stat().st_ino

    def insert(self, records: Sequence[PredictionRecord]) -> None:
        """Adds predictions; one that is here already stays as it is."""
        for begin in range(0, len(records), _MOST_ROWS):
            values: list[str | None] = []
            for record in records[begin : begin + _MOST_ROWS]:
                outcome = None if record.outcome is None else _to_json(record.outcome)
                values += record.prediction_id, _to_json(replace(record, outcome=None)), outcome
            places = ", ".join(["(?, ?, ?)"] * (len(values) // 3))
            change = f"INSERT INTO predictions VALUES {places} ON CONFLICT DO NOTHING"
            self.waiting += self.connection.execute(change, values).rowcount

    def join(self, prediction_id: str, outcome: Outcome) -> bool:
        """Joins an outcome to what this file has under an id; the first one wins.

        Returns:
            False when the file has nothing under that id.

        Raises:
            OutcomeConflictError: When it has another outcome.
        """
        # A held one came first: its prediction may have come here later, from another file.
        for table in ("outcomes", "predictions", _DEAD_PREDICTIONS):
            query = f"SELECT outcome FROM {table} WHERE prediction_id = ?"
            row = self.connection.execute(query, (prediction_id,)).fetchone()
            if row is None:
                continue
            if row[0] is None:
                for change in _GIVE_OUTCOME:
                    self.connection.execute(change, (_to_json(outcome), prediction_id))
            elif not outcome.agrees_with(_outcome_decoder.decode(row[0])):
                raise OutcomeConflictError(prediction_id)
            return True
        return False

    def has(self, prediction_id: str) -> bool:
        """Returns whether this file has anything under an id, without taking the write lock."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM predictions WHERE prediction_id = ?1)"
            " OR EXISTS (SELECT 1 FROM outcomes WHERE prediction_id = ?1)"
            f" OR EXISTS (SELECT 1 FROM {_DEAD_PREDICTIONS} WHERE prediction_id = ?1)"
        )
        return bool(self.connection.execute(query, (prediction_id,)).fetchone()[0])

    def hold(self, prediction_id: str, outcome: Outcome) -> None:
        """Keeps an outcome until MongoDB knows its prediction, or joins it to what is here.

        Raises:
            OutcomeConflictError: When another one is here already.
        """
        if not self.join(prediction_id, outcome):
            row = prediction_id, _to_json(outcome), outcome.recorded_at.timestamp()
            self.held += self.connection.execute("INSERT INTO outcomes VALUES (?, ?, ?, 0)", row).rowcount

    def oldest(self, limit: int) -> list[PredictionRecord]:
        """Returns the oldest predictions; those that cannot be read become dead letters."""
        records = []
        for prediction_id, body, outcome in _rows_decoder.decode(
            self.connection.execute(_OLDEST, (limit,)).fetchone()[0]
        ):
            try:
                known = None if outcome is None else _outcome_decoder.decode(outcome)
                records.append(replace(_record_decoder.decode(body), outcome=known))
            except ValueError as error:
                self.dead_letter(prediction_id, f"{type(error).__name__}: {error}")
        return records

    def held_outcomes(self, limit: int, *, due: bool = True) -> dict[str, Outcome]:
        """Returns held outcomes by prediction_id, those that came first before the others.

        Args:
            limit: How many at most.
            due: Whether to leave out those whose prediction was looked for a moment ago.
        """
        # What is due later than anything is postponed is due: the clock has been set back meanwhile.
        now = time.time()
        latest = now + LONGEST_DELAY_S if due else now
        query = (
            "SELECT prediction_id, outcome FROM outcomes WHERE next_try NOT BETWEEN ? AND ?"
            " ORDER BY held_at LIMIT ?"
        )
        found = self.connection.execute(query, (now, latest, limit))
        return {prediction_id: _outcome_decoder.decode(outcome) for prediction_id, outcome in found}

    def remove(self, records: Iterable[PredictionRecord]) -> None:
        """Forgets predictions, except those that got an outcome since they were read."""
        records = list(records)
        for condition, joined in ((" AND outcome IS NULL", False), ("", True)):
            ids = [record.prediction_id for record in records if (record.outcome is not None) == joined]
            if ids:
                self.waiting -= self.connection.execute(_REMOVE + condition, (_to_json(ids),)).rowcount

    def remove_outcomes(self, prediction_ids: Iterable[str]) -> None:
        """Forgets held outcomes."""
        change = "DELETE FROM outcomes WHERE prediction_id IN (SELECT value FROM json_each(?))"
        self.held -= self.connection.execute(change, (_to_json(list(prediction_ids)),)).rowcount

    def postpone_outcomes(self, prediction_ids: Iterable[str], delay_s: float) -> None:
        """Keeps held outcomes from being due for a while."""
        due = time.time() + min(delay_s, LONGEST_DELAY_S)
        change = "UPDATE outcomes SET next_try = ? WHERE prediction_id IN (SELECT value FROM json_each(?))"
        self.connection.execute(change, (due, _to_json(list(prediction_ids))))

    def dead_letter(self, prediction_id: str, reason: str) -> None:
        """Moves a prediction that can never be stored to the dead letters."""
        insert = "INSERT INTO dead_letters (prediction_id, body, outcome, reason) "
        select = "SELECT prediction_id, body, outcome, ? FROM predictions WHERE prediction_id = ?"
        self.connection.execute(insert + select, (reason, prediction_id))
        change = "DELETE FROM predictions WHERE prediction_id = ?"
        self.waiting -= self.connection.execute(change, (prediction_id,)).rowcount

    def dead_letter_outcome(self, prediction_id: str, outcome: Outcome, reason: str) -> None:
        """Moves an outcome that can never be joined to the dead letters; its prediction is no concern."""
        insert = "INSERT INTO dead_letters (prediction_id, body, outcome, reason) VALUES (?, NULL, ?, ?)"
        self.connection.execute(insert, (prediction_id, _to_json(outcome), reason))

    def count(self) -> None:
        """Counts what waits, once: a large file takes a moment."""
        counts = self.counts()
        self.waiting, self.held = counts.waiting, counts.held_outcomes

    def counts(self, phase: tuple[str, str] | None = None) -> SpoolCounts:
        """Returns how much is here.

        Args:
            phase: Counts only dead letters of this experiment and phase; None counts all.
        """
        experiment, phase_id = phase or (None, None)
        names = {"experiment": experiment, "phase": phase_id}
        return SpoolCounts(*self.connection.execute(_COUNTS, names).fetchone())

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


def _to_json(value: object) -> str:
    return _encoder.encode(value).decode()


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_TIMEOUT_S)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL makes each commit wait for the disk; NORMAL would lose answered records to a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
