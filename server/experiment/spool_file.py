"""One spool file: a SQLite database in WAL mode, and the statements that it takes. Synchronous."""

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from server.errors import OutcomeConflictError, StartError
from server.experiment.records import Outcome

_BUSY_TIMEOUT_S = 10.0

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


@dataclass(frozen=True, slots=True)
class SpooledRow:
    """A prediction as the spool keeps it, still in JSON.

    Attributes:
        prediction_id: Names the prediction.
        body: `PredictionRecord.to_json`.
        outcome: `Outcome.to_json`, or None while it is unknown.
    """

    prediction_id: str
    body: str
    outcome: str | None


@dataclass(frozen=True, slots=True)
class HeldOutcome:
    """An outcome whose prediction was not on this machine while MongoDB was away.

    Attributes:
        prediction_id: The prediction, as the caller named it.
        outcome: `Outcome.to_json`.
        held_at: When it came, in seconds since 1970.
    """

    prediction_id: str
    outcome: str
    held_at: float


@dataclass(frozen=True, slots=True)
class SpoolCounts:
    """How much lies in spool files: predictions and outcomes that wait, and what MongoDB refused for good."""

    waiting: int = 0
    held_outcomes: int = 0
    dead_letters: int = 0

    def __add__(self, other: "SpoolCounts") -> "SpoolCounts":
        """Returns the counts of both."""
        return SpoolCounts(
            self.waiting + other.waiting,
            self.held_outcomes + other.held_outcomes,
            self.dead_letters + other.dead_letters,
        )


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
        except (sqlite3.Error, OSError) as error:
            raise StartError(f"cannot open the spool {path}: {error}") from error

    def close(self) -> None:
        """Closes the file."""
        self.connection.close()

    def insert(self, rows: Sequence[tuple[str, str]]) -> None:
        """Adds predictions: pairs of id and body."""
        self.connection.executemany("INSERT INTO predictions (prediction_id, body) VALUES (?, ?)", rows)

    def join(self, prediction_id: str, outcome: Outcome) -> bool:
        """Joins an outcome to what this file has under an id; the first one wins.

        Returns:
            False when the file has nothing under that id.

        Raises:
            OutcomeConflictError: When it has another outcome.
        """
        for table in ("predictions", "dead_letters", "outcomes"):
            query = f"SELECT outcome FROM {table} WHERE prediction_id = ?"
            row = self.connection.execute(query, (prediction_id,)).fetchone()
            if row is None:
                continue
            if row[0] is None:
                change = f"UPDATE {table} SET outcome = ? WHERE prediction_id = ?"
                self.connection.execute(change, (outcome.to_json(), prediction_id))
            elif not outcome.agrees_with(Outcome.from_json(row[0])):
                raise OutcomeConflictError(prediction_id)
            return True
        return False

    def has(self, prediction_id: str) -> bool:
        """Says whether this file has anything under an id, without taking the write lock."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM predictions WHERE prediction_id = ?1)"
            " OR EXISTS (SELECT 1 FROM dead_letters WHERE prediction_id = ?1)"
            " OR EXISTS (SELECT 1 FROM outcomes WHERE prediction_id = ?1)"
        )
        return bool(self.connection.execute(query, (prediction_id,)).fetchone()[0])

    def hold(self, prediction_id: str, outcome: Outcome) -> bool:
        """Keeps an outcome whose prediction is not here.

        Returns:
            False when there was an equal one already.

        Raises:
            OutcomeConflictError: When another one is kept already.
        """
        if self.join(prediction_id, outcome):
            return False
        change = "INSERT INTO outcomes VALUES (?, ?, ?, 0)"
        self.connection.execute(change, (prediction_id, outcome.to_json(), time.time()))
        return True

    def oldest(self, limit: int) -> list[SpooledRow]:
        """Returns the oldest predictions."""
        query = "SELECT prediction_id, body, outcome FROM predictions ORDER BY prediction_id LIMIT ?"
        return [SpooledRow(*row) for row in self.connection.execute(query, (limit,))]

    def due_outcomes(self, limit: int) -> list[HeldOutcome]:
        """Returns held outcomes whose prediction may be looked for now."""
        query = "SELECT prediction_id, outcome, held_at FROM outcomes WHERE next_try <= ? LIMIT ?"
        return [HeldOutcome(*row) for row in self.connection.execute(query, (time.time(), limit))]

    def remove(self, rows: Sequence[SpooledRow]) -> int:
        """Forgets rows, except those whose outcome has changed since they were read; says how many went."""
        change = "DELETE FROM predictions WHERE prediction_id = ? AND outcome IS ?"
        return self.connection.executemany(
            change, [(row.prediction_id, row.outcome) for row in rows]
        ).rowcount

    def remove_outcomes(self, held: Sequence[HeldOutcome]) -> int:
        """Forgets held outcomes; says how many went."""
        change = "DELETE FROM outcomes WHERE prediction_id = ?"
        return self.connection.executemany(change, [(each.prediction_id,) for each in held]).rowcount

    def postpone_outcomes(self, held: Sequence[HeldOutcome], delay_s: float) -> None:
        """Keeps held outcomes from being due for a while."""
        due = time.time() + delay_s
        change = "UPDATE outcomes SET next_try = ? WHERE prediction_id = ?"
        self.connection.executemany(change, [(due, each.prediction_id) for each in held])

    def bury(self, dead: SpooledRow | HeldOutcome, reason: str) -> int:
        """Moves what can never be stored to the dead letters; says how many predictions went."""
        prediction_id = dead.prediction_id
        insert = "INSERT INTO dead_letters (prediction_id, body, outcome, reason) "
        if isinstance(dead, HeldOutcome):
            values = (prediction_id, dead.outcome, reason)
            self.connection.execute(insert + "VALUES (?, NULL, ?, ?)", values)
            self.remove_outcomes([dead])
            return 0
        select = "SELECT prediction_id, body, outcome, ? FROM predictions WHERE prediction_id = ?"
        self.connection.execute(insert + select, (reason, prediction_id))
        change = "DELETE FROM predictions WHERE prediction_id = ?"
        return self.connection.execute(change, (prediction_id,)).rowcount

    def counts(self) -> SpoolCounts:
        """Counts what is here."""
        query = "SELECT (SELECT count(*) FROM predictions), (SELECT count(*) FROM outcomes),"
        query += " (SELECT count(*) FROM dead_letters)"
        return SpoolCounts(*self.connection.execute(query).fetchone())

    def compact(self) -> None:
        """Empties the write-ahead log into the file, so that it takes no room beside it."""
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def spare_bytes(self) -> int:
        """Returns how much of the file can be used again: rows that left have not made it smaller."""
        pages, size = (
            self.connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("freelist_count", "page_size")
        )
        return int(pages * size)

    def take_over(self, other: "SpoolFile") -> None:
        """Moves all that waits in another file here; a crash leaves it in one of them, or in both."""
        while True:
            rows, held = other.oldest(1000), other.connection.execute("SELECT * FROM outcomes").fetchall()
            if not rows and not held:
                return
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.executemany(
                "INSERT INTO predictions VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
                " SET outcome = coalesce(predictions.outcome, excluded.outcome)",
                [(row.prediction_id, row.body, row.outcome) for row in rows],
            )
            self.connection.executemany("INSERT OR IGNORE INTO outcomes VALUES (?, ?, ?, ?)", held)
            self.connection.execute("COMMIT")
            other.connection.execute("BEGIN IMMEDIATE")
            other.remove(rows)
            other.remove_outcomes([HeldOutcome(*row[:3]) for row in held])
            other.connection.execute("COMMIT")


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
