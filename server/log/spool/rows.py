"""The rows of the spool, and every statement that writes them or reads them for delivery. Synchronous.

Predictions are a queue: they get rising numbers, and `position` is the last that MongoDB has. What a caller
may ask for again, by its request id, stays for a while after that.
"""

import sqlite3
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeVar

import msgspec

from server.log.record import Outcome, PredictionRecord

RETRIED_WITHIN_S = 600.0
"""How long an answer is kept for a retry with the same request id."""

MOST_KEPT = 200_000
"""How many later predictions may come before such an answer is given up."""

SCHEMA_VERSION = 2

# Only a file of an earlier version needs it: it waits for whoever writes.
SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS predictions (
    number INTEGER PRIMARY KEY AUTOINCREMENT, prediction_id TEXT NOT NULL UNIQUE, body TEXT NOT NULL,
    keep_until REAL
);
CREATE TABLE IF NOT EXISTS outcomes (
    number INTEGER PRIMARY KEY AUTOINCREMENT, prediction_id TEXT NOT NULL, body TEXT NOT NULL,
    looks INTEGER NOT NULL DEFAULT 0, next_look REAL NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS outcomes_by_id ON outcomes (prediction_id);
CREATE INDEX IF NOT EXISTS outcomes_by_look ON outcomes (next_look, number);
CREATE TABLE IF NOT EXISTS dead_letters (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, prediction_id TEXT NOT NULL,
    body TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL, died_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS dead_letters_by_id ON dead_letters (prediction_id);
CREATE TABLE IF NOT EXISTS delivery (
    only INTEGER PRIMARY KEY CHECK (only = 1), position INTEGER NOT NULL, away_since REAL
);
CREATE TABLE IF NOT EXISTS counts (
    name TEXT NOT NULL, label TEXT NOT NULL, value REAL NOT NULL, PRIMARY KEY (name, label)
) WITHOUT ROWID;
INSERT INTO delivery SELECT 1, 0, NULL WHERE NOT EXISTS (SELECT * FROM delivery);
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
_MOST_ROWS = 1000  # of one INSERT; SQLite takes 32,766 parameters
# An outcome waits for those before it of the same prediction, and for its prediction where that waits here:
# many may at the head of the queue, and no more of them are looked at than that.
_DUE_OUTCOMES = """
SELECT number, prediction_id, body FROM (
    SELECT * FROM outcomes WHERE next_look <= :now ORDER BY next_look, number LIMIT :limit * 4) AS this
WHERE NOT EXISTS (SELECT 1 FROM outcomes AS first
        WHERE first.prediction_id = this.prediction_id AND first.number < this.number)
    AND NOT EXISTS (SELECT 1 FROM predictions
        WHERE predictions.prediction_id = this.prediction_id AND predictions.number > :position)
LIMIT :limit
"""
# Callers may report an outcome as often as they like: those that came soon after it and are the same go with
# it, instead of one by one, each with a question to MongoDB. Only so many are looked at, since callers wait.
_FORGET_OUTCOME = """
DELETE FROM outcomes WHERE prediction_id = :prediction_id AND number BETWEEN :number AND :number + 10000
AND (number = :number OR CASE WHEN json_valid(body) AND json_valid(:body)
    THEN json_extract(body, '$.skipped') = json_extract(:body, '$.skipped')
        AND json_extract(body, '$.listened_ms') = json_extract(:body, '$.listened_ms') END)
"""

Decoded = TypeVar("Decoded")

_encoder = msgspec.json.Encoder()
_record_decoder = msgspec.json.Decoder(PredictionRecord)
_outcome_decoder = msgspec.json.Decoder(Outcome)


class Kind(StrEnum):
    """What a dead letter is."""

    PREDICTION = "prediction"
    OUTCOME = "outcome"


class Reason(StrEnum):
    """Why something became a dead letter."""

    REFUSED = "refused"  # MongoDB will never take it
    UNREADABLE = "unreadable"  # it cannot be read, or is no document
    UNKNOWN_PREDICTION = "unknown-prediction"  # its prediction has not come to MongoDB for long enough
    CONFLICT = "conflict"  # another outcome came first


class Row(NamedTuple):
    """A prediction or an outcome as it lies in the spool; `body` is the record in JSON."""

    number: int
    prediction_id: str
    body: str

    def record(self) -> PredictionRecord:
        """Returns the prediction, without what later releases have added.

        Raises:
            ValueError: When it cannot be read.
        """
        return _decoded(_record_decoder, self.body)

    def outcome(self) -> Outcome:
        """Returns the outcome, without what later releases have added.

        Raises:
            ValueError: When it cannot be read.
        """
        return _decoded(_outcome_decoder, self.body)


class DeadLetter(NamedTuple):
    """A row that is given up: what it is, why in a word, and in a line that quotes no listener."""

    kind: Kind
    row: Row
    reason: Reason
    detail: str = ""


class SpoolRows:
    """The statements. What writes belongs in a transaction."""

    connection: sqlite3.Connection

    def insert(self, records: Sequence[PredictionRecord], retried: Collection[str] = ()) -> None:
        """Adds predictions at the end of the queue, except those whose id is here.

        Args:
            records: The predictions.
            retried: The ids of those that callers may ask for again.
        """
        until = time.time() + RETRIED_WITHIN_S
        for start in range(0, len(records), _MOST_ROWS):
            some = records[start : start + _MOST_ROWS]
            statement = "INSERT INTO predictions (prediction_id, body, keep_until) VALUES "
            statement += ",".join(["(?,?,?)"] * len(some)) + " ON CONFLICT (prediction_id) DO NOTHING"
            values: list[str | float | None] = []
            for record in some:
                kept = until if record.prediction_id in retried else None
                values += (record.prediction_id, _to_json(record), kept)
            # One statement: each step hands the interpreter over to the event loop and waits to have it back.
            self.connection.execute(statement, values)

    def insert_outcomes(self, outcomes: Iterable[tuple[str, Outcome]]) -> None:
        """Adds outcomes, each with its prediction's id."""
        # One statement, as above. Due with those that wait already: many of one prediction must not keep all
        # others from being due.
        change = """
            INSERT INTO outcomes (prediction_id, body, next_look)
            SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), coalesce(
                (SELECT next_look FROM outcomes
                    WHERE prediction_id = json_extract(value, '$[0]') ORDER BY number LIMIT 1), 0)
            FROM json_each(?)
        """
        rows = [(prediction_id, _to_json(outcome)) for prediction_id, outcome in outcomes]
        if rows:
            self.connection.execute(change, (_to_json(rows),))

    def find(self, prediction_ids: Iterable[str]) -> dict[str, Row]:
        """Returns the predictions that are here, by id."""
        query = (
            "SELECT number, prediction_id, body FROM predictions"
            " WHERE prediction_id IN (SELECT value FROM json_each(?))"
        )
        found = self.connection.execute(query, (_to_json(list(prediction_ids)),)).fetchall()
        return {row[1]: Row(*row) for row in found}

    def position(self) -> int:
        """Returns the number of the last prediction that MongoDB has."""
        return int(self.connection.execute("SELECT position FROM delivery").fetchone()[0])

    def waiting(self) -> int:
        """Returns how many predictions wait for MongoDB, at least: numbers are skipped, but rarely."""
        query = "SELECT coalesce(max(number), 0) - (SELECT position FROM delivery) FROM predictions"
        return max(0, int(self.connection.execute(query).fetchone()[0]))

    def waiting_outcomes(self) -> int:
        """Returns how many outcomes wait; counts them."""
        return int(self.connection.execute("SELECT count(*) FROM outcomes").fetchone()[0])

    def next_predictions(self, limit: int) -> list[Row]:
        """Returns the first predictions that wait, in order."""
        query = (
            "SELECT number, prediction_id, body FROM predictions"
            " WHERE number > (SELECT position FROM delivery) ORDER BY number LIMIT ?"
        )
        return [Row(*row) for row in self.connection.execute(query, (limit,))]

    def first_outcomes(self, prediction_ids: Iterable[str]) -> dict[str, Row]:
        """Returns the first outcome that waits of each of some predictions."""
        query = (
            "SELECT min(number), prediction_id, body FROM outcomes"
            " WHERE prediction_id IN (SELECT value FROM json_each(?)) GROUP BY prediction_id"
        )
        found = self.connection.execute(query, (_to_json(list(prediction_ids)),)).fetchall()
        return {row[1]: Row(*row) for row in found}

    def due_outcomes(self, limit: int) -> list[Row]:
        """Returns outcomes whose prediction is to be looked for now, at most one a prediction."""
        names = {"now": time.monotonic(), "limit": limit, "position": self.position()}
        return [Row(*row) for row in self.connection.execute(_DUE_OUTCOMES, names)]

    def advance(self, rows: Sequence[Row]) -> None:
        """Takes the first predictions that waited for delivered; a second time does no harm."""
        names = {"first": rows[0].number, "last": rows[-1].number}
        self.connection.execute("UPDATE delivery SET position = max(position, :last)", names)
        self.connection.execute(
            "DELETE FROM predictions WHERE number BETWEEN :first AND :last AND keep_until IS NULL", names
        )

    def prune(self) -> int:
        """Forgets the first delivered predictions that callers can no longer ask for; returns how many."""
        # Only so many are looked at, since the first go first: callers wait until this is done.
        change = """
            DELETE FROM predictions WHERE number IN (
                SELECT number FROM (
                    SELECT number, keep_until FROM predictions WHERE number <= :position
                    ORDER BY number LIMIT :rows)
                WHERE keep_until < :now OR number <= :position - :most)
        """
        names = {"position": self.position(), "now": time.time(), "most": MOST_KEPT, "rows": _MOST_ROWS}
        return self.connection.execute(change, names).rowcount

    def remove_outcomes(self, rows: Iterable[Row]) -> None:
        """Forgets outcomes, and those soon after them that report the same of the same predictions."""
        self.connection.executemany(_FORGET_OUTCOME, [row._asdict() for row in rows])

    def postpone_outcomes(self, rows: Iterable[Row], delay_s: float) -> None:
        """Counts a look in vain for predictions in all their outcomes; the next one is so much later."""
        due = time.monotonic() + delay_s
        change = "UPDATE outcomes SET looks = looks + 1, next_look = ? WHERE prediction_id = ?"
        self.connection.executemany(change, [(due, row.prediction_id) for row in rows])

    def look_now(self) -> None:
        """Makes all outcomes due: a clock that was started anew with the machine would postpone them."""
        self.connection.execute("UPDATE outcomes SET next_look = 0 WHERE next_look > 0")

    def looks(self, rows: Iterable[Row]) -> Mapping[int, int]:
        """Returns how often each outcome's prediction was looked for in vain, by number."""
        query = "SELECT number, looks FROM outcomes WHERE number IN (SELECT value FROM json_each(?))"
        return dict(self.connection.execute(query, (_to_json([row.number for row in rows]),)).fetchall())

    def add_dead_letters(self, letters: Iterable[DeadLetter]) -> None:
        """Keeps what was given up as dead letters, and forgets the outcomes among them as such."""
        now = time.time()
        letters = list(letters)
        rows = [
            (letter.kind, letter.row.prediction_id, letter.row.body, letter.reason, letter.detail, now)
            for letter in letters
        ]
        insert = "INSERT INTO dead_letters (kind, prediction_id, body, reason, detail, died_at) VALUES "
        self.connection.executemany(f"{insert} (?, ?, ?, ?, ?, ?)", rows)
        self.remove_outcomes(letter.row for letter in letters if letter.kind == Kind.OUTCOME)

    def set_away_since(self, since: float | None) -> None:
        """Notes since when MongoDB is away (Unix time), unless that is noted; None when it is there."""
        # An outage outlasts the process that has noticed it.
        unless = "" if since is None else " WHERE away_since IS NULL"
        self.connection.execute(f"UPDATE delivery SET away_since = ?{unless}", (since,))


def _decoded(decoder: msgspec.json.Decoder[Decoded], body: str) -> Decoded:
    try:
        return decoder.decode(body)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _to_json(value: object) -> str:
    return _encoder.encode(value).decode()
