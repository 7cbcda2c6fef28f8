"""Makes documents of spooled rows, and says which rows will never be any."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bson
from bson.errors import BSONError

from server.log.mongo.documents import stored_form
from server.log.record import Outcome, PredictionRecord
from server.log.spool.rows import HeldOutcome, SpooledRow

_MAX_BYTES = 16 << 20

INEXPRESSIBLE = (BSONError, ValueError, OverflowError)
"""What the driver raises for a document that BSON cannot express."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What can never be stored, and why: a row, or only the outcome that came with one.

    Attributes:
        dead: The row, or the outcome of one that is stored with another outcome.
        reason: Why, in a line.
    """

    dead: SpooledRow | HeldOutcome
    reason: str


def read_rows(rows: Sequence[SpooledRow]) -> tuple[list[dict[str, Any]], list[Refusal]]:
    """Reads spooled rows; one that does not make a document is refused and does not hold up the others."""
    documents: list[dict[str, Any]] = []
    refusals: list[Refusal] = []
    for row in rows:
        try:
            outcome = None if row.outcome is None else Outcome.from_json(row.outcome)
            documents.append(stored_form(PredictionRecord.from_json(row.body), outcome))
        except ValueError as error:
            refusals.append(Refusal(row, f"{type(error).__name__}: {error}"))
    return documents, refusals


def inexpressible(document: Mapping[str, Any], row: SpooledRow) -> Refusal | None:
    """Says why a document can never be sent to MongoDB, or None when it can."""
    try:
        if len(bson.encode(document)) <= _MAX_BYTES:
            return None
        return Refusal(row, "larger than MongoDB takes")
    except INEXPRESSIBLE as error:
        return Refusal(row, f"{type(error).__name__}: {error}")
