"""The transaction of the spool's writes."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Makes the statements of a block one transaction, and undoes all of them when it raises.

    Args:
        connection: A database in autocommit mode.

    Raises:
        sqlite3.Error: When another writer kept it too long, or the disk does not take it.
    """
    # IMMEDIATE waits for other writers at the start: a read that turns into a write later would fail at once.
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
