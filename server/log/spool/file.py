"""One spool file: a SQLite database in WAL mode, and the statements that it takes. Synchronous."""

import sqlite3
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import msgspec

from server.errors import OutcomeConflictError, StartError
from server.log.record import Outcome
from server.log.spool.rows import HeldOutcome, SpoolCounts, SpooledRow

_BUSY_TIMEOUT_S = 10.0
LONGEST_DELAY_S = 60.0
"""How long a held outcome can be kept from being due at most."""

# `outcomes` holds those whose prediction is not in this file; `next_try` is when to look for it again.
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
_REMOVE = """
DELETE FROM predictions WHERE outcome IS NULL AND prediction_id IN (SELECT value FROM json_each(?))
"""
_MOST_ROWS = 1000  # of one INSERT; SQLite takes 32,766 parameters

_rows_decoder = msgspec.json.Decoder(list[SpooledRow])


class SpoolFile:
    """The statements; transactions are the caller's business."""

    def __init__(self, path: Path) -> None:
        """Opens the file, or creates it.

        Raises:
            StartError: When it cannot be opened, or is something else.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.connection = _open(path)
            self._inode = path.stat().st_ino
        except (sqlite3.Error, OSError) as error:
            raise StartError(f"cannot open the spool {path}: {error}") from error

    def close(self) -> None:
        """Closes the file."""
        self.connection.close()

    def check_place(self) -> None:
        """Makes sure that the file is still where the next start will look for it.

        Raises:
            OSError: When it was deleted or replaced: what is written to it would be gone with this process.
        """
        if self.path.stat().st_ino != self._inode:
            raise OSError(f"{self.path} was replaced while it was open")

    def insert(self, rows: Sequence[tuple[str, str]]) -> None:
        """Adds predictions: pairs of id and body."""
        for begin in range(0, len(rows), _MOST_ROWS):
            some = rows[begin : begin + _MOST_ROWS]
            values = ", ".join(["(?, ?)"] * len(some))
            change = f"INSERT INTO predictions (prediction_id, body) VALUES {values}"
            self.connection.execute(change, list(chain.from_iterable(some)))

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
                    self.connection.execute(change, (outcome.to_json(), prediction_id))
            elif not outcome.agrees_with(Outcome.from_json(row[0])):
                raise OutcomeConflictError(prediction_id)
            return True
        return False

    def has(self, prediction_id: str) -> bool:
        """Says whether this file has anything under an id, without taking the write lock."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM predictions WHERE prediction_id = ?1)"
            " OR EXISTS (SELECT 1 FROM outcomes WHERE prediction_id = ?1)"
            f" OR EXISTS (SELECT 1 FROM {_DEAD_PREDICTIONS} WHERE prediction_id = ?1)"
        )
        return bool(self.connection.execute(query, (prediction_id,)).fetchone()[0])

    def hold(self, prediction_id: str, outcome: Outcome, held_at: float | None = None) -> bool:
        """Keeps an outcome whose prediction is not here.

        Args:
            prediction_id: The prediction.
            outcome: What happened after it.
            held_at: When it came, in seconds since 1970; None for now.

        Returns:
            False when there was an equal one already, or it was joined.

        Raises:
            OutcomeConflictError: When another one is kept already.
        """
        if self.join(prediction_id, outcome):
            return False
        change = "INSERT INTO outcomes VALUES (?, ?, ?, 0)"
        came = time.time() if held_at is None else held_at
        self.connection.execute(change, (prediction_id, outcome.to_json(), came))
        return True

    def oldest(self, limit: int) -> list[SpooledRow]:
        """Returns the oldest predictions."""
        return _rows_decoder.decode(self.connection.execute(_OLDEST, (limit,)).fetchone()[0])

    def oldest_outcomes(self, limit: int) -> list[HeldOutcome]:
        """Returns held outcomes, due or not, those that came first before the others."""
        query = "SELECT prediction_id, outcome, held_at FROM outcomes ORDER BY held_at LIMIT ?"
        return [HeldOutcome(*row) for row in self.connection.execute(query, (limit,))]

    def due_outcomes(self, limit: int) -> list[HeldOutcome]:
        """Returns held outcomes whose prediction may be looked for now.

        So are those that are due later than anything is postponed: the clock has been set back meanwhile.
        """
        now = time.time()
        query = (
            "SELECT prediction_id, outcome, held_at FROM outcomes WHERE next_try NOT BETWEEN ? AND ? LIMIT ?"
        )
        due = self.connection.execute(query, (now, now + LONGEST_DELAY_S, limit))
        return [HeldOutcome(*row) for row in due]

    def remove(self, rows: Sequence[SpooledRow]) -> int:
        """Forgets rows, except those whose outcome has changed since they were read; says how many went."""
        plain = [row.prediction_id for row in rows if row.outcome is None]
        removed = self.connection.execute(_REMOVE, (msgspec.json.encode(plain).decode(),)).rowcount
        joined = [(row.prediction_id, row.outcome) for row in rows if row.outcome is not None]
        if joined:
            change = "DELETE FROM predictions WHERE prediction_id = ? AND outcome = ?"
            removed += self.connection.executemany(change, joined).rowcount
        return removed

    def remove_outcomes(self, held: Sequence[HeldOutcome]) -> int:
        """Forgets held outcomes; says how many went."""
        change = "DELETE FROM outcomes WHERE prediction_id = ?"
        return self.connection.executemany(change, [(each.prediction_id,) for each in held]).rowcount

    def postpone_outcomes(self, held: Sequence[HeldOutcome], delay_s: float) -> None:
        """Keeps held outcomes from being due for a while."""
        due = time.time() + min(delay_s, LONGEST_DELAY_S)
        change = "UPDATE outcomes SET next_try = ? WHERE prediction_id = ?"
        self.connection.executemany(change, [(due, each.prediction_id) for each in held])

    def bury(self, dead: SpooledRow, reason: str) -> int:
        """Moves a prediction that can never be stored to the dead letters; says how many went."""
        insert = "INSERT INTO dead_letters (prediction_id, body, outcome, reason) "
        select = "SELECT prediction_id, body, outcome, ? FROM predictions WHERE prediction_id = ?"
        self.connection.execute(insert + select, (reason, dead.prediction_id))
        change = "DELETE FROM predictions WHERE prediction_id = ?"
        return self.connection.execute(change, (dead.prediction_id,)).rowcount

    def bury_outcome(self, dead: HeldOutcome, reason: str) -> int:
        """Moves an outcome that can never be joined to the dead letters; says how many held ones went."""
        insert = "INSERT INTO dead_letters (prediction_id, body, outcome, reason) VALUES (?, NULL, ?, ?)"
        self.connection.execute(insert, (dead.prediction_id, dead.outcome, reason))
        change = "DELETE FROM outcomes WHERE prediction_id = ? AND outcome = ?"
        return self.connection.execute(change, (dead.prediction_id, dead.outcome)).rowcount

    def receive(self, row: SpooledRow) -> None:
        """Adds a prediction of another file; of two outcomes that disagree, the one that is here is kept."""
        change = "INSERT INTO predictions VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        added = self.connection.execute(change, (row.prediction_id, row.body, row.outcome)).rowcount
        if not added and row.outcome is not None:
            self.receive_outcome(HeldOutcome(row.prediction_id, row.outcome, time.time()))

    def receive_outcome(self, held: HeldOutcome) -> None:
        """Adds an outcome of another file; one that disagrees with what is here becomes a dead letter."""
        try:
            self.hold(held.prediction_id, Outcome.from_json(held.outcome), held.held_at)
        except OutcomeConflictError:
            self.bury_outcome(held, "another outcome was recorded first")

    def counts(self, phase: tuple[str, str] | None = None) -> SpoolCounts:
        """Counts what is here.

        Args:
            phase: Counts only dead letters of this experiment and phase; None counts all.
        """
        experiment, phase_id = phase or (None, None)
        told = self.connection.execute(_COUNTS, {"experiment": experiment, "phase": phase_id}).fetchone()
        return SpoolCounts(*told)

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
