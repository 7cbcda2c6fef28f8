"""What delivery has done, counted in the spool file itself: with the rows, or not at all.

A count begins anew with a new file. What is delivered again after a crash is counted once.
"""

import sqlite3
from collections.abc import Mapping
from enum import StrEnum

_ADD = (
    "INSERT INTO counts (name, label, value) VALUES (?, ?, ?)"
    " ON CONFLICT (name, label) DO UPDATE SET value = value + excluded.value"
)


class Count(StrEnum):
    """What is counted, and by what."""

    DELIVERED = "delivered"  # records that left for MongoDB, by kind
    LAG_S = "lag_s"  # seconds from a prediction's request until MongoDB had it
    FAILURES = "failures"  # batches that MongoDB did not take, by reason
    JOINED = "joined"  # outcomes that were joined to their predictions, by model
    PLAYED_THROUGH = "played_through"  # of those, how many the listener heard out
    EXPECTED = "expected"  # of those, the sum of what the model had answered
    SQUARED_ERROR = "squared_error"  # of those, the sum of its squared error


Added = Mapping[tuple[Count, str], float]
"""What is added to the counts, by name and label."""


def add_counts(connection: sqlite3.Connection, added: Added) -> None:
    """Adds to the file's counts, in the transaction of what is counted."""
    connection.executemany(_ADD, [(*key, number) for key, number in added.items()])


def counts_of(connection: sqlite3.Connection) -> Mapping[tuple[str, str], float]:
    """Returns the file's counts, by name and label."""
    found = connection.execute("SELECT name, label, value FROM counts")
    return {(name, label): value for name, label, value in found}
