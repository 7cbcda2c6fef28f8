"""The rows of a spool file, and every statement that reads or writes them. Synchronous."""

import operator
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass

import msgspec
from msgspec.structs import replace

from server.errors import OutcomeConflictError
from server.log.record import Outcome, PredictionRecord
from server.log.spool.transaction import transaction

LONGEST_DELAY_S = 60.0
"""How long a held outcome can be kept from being due at most."""

# `body` is the record without its outcome, in JSON. `outcomes` holds those whose prediction is not in this
# file; `next_try` is when to look for it again.
SCHEMA = """
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


class SpoolRows:
    """The statements. What writes belongs in a `transaction`.

    Attributes:
        connection: The database.
        waiting: How many predictions are here, while this process alone adds and removes some; set by
            `count`, and kept up to date from then on.
        held: How many held outcomes are here, likewise.
    """

    connection: sqlite3.Connection
    waiting = 0
    held = 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Makes a block's statements one transaction, and undoes them and their counts when it raises."""
        before = self.waiting, self.held
        try:
            with transaction(self.connection):
                yield
        except BaseException:
            self.waiting, self.held = before
            raise

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
            elif not _agrees(row[0], outcome):
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

        Those that cannot be read become dead letters.

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
        held = {}
        for prediction_id, outcome in self.connection.execute(query, (now, latest, limit)).fetchall():
            try:
                held[prediction_id] = _outcome_decoder.decode(outcome)
            except ValueError as error:
                self._dead_letter_held(prediction_id, f"{type(error).__name__}: {error}")
        return held

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

    def _dead_letter_held(self, prediction_id: str, reason: str) -> None:
        """Moves a held outcome to the dead letters as it is."""
        insert = "INSERT INTO dead_letters (prediction_id, body, outcome, reason) "
        select = "SELECT prediction_id, NULL, outcome, ? FROM outcomes WHERE prediction_id = ?"
        self.connection.execute(insert + select, (reason, prediction_id))
        self.remove_outcomes([prediction_id])

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


def _agrees(stored: str, outcome: Outcome) -> bool:
    """Returns whether an outcome that is here reports the same; one that cannot be read does not."""
    try:
        return outcome.agrees_with(_outcome_decoder.decode(stored))
    except ValueError:
        return False


def _to_json(value: object) -> str:
    return _encoder.encode(value).decode()
