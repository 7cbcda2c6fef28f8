"""A spooled prediction and a spooled outcome of any text: delivered, or a dead letter; never in the way."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import msgspec
import structlog

from server.log.delivery.delivery import Delivery
from server.log.mongo import store
from server.log.mongo.documents import PredictionDocument
from server.log.record import Outcome, PredictionRecord
from server.log.spool.file import FILE_NAME, SpoolFile
from tests.server.records import record

MODULES = ("server.log.record", "server.log.spool.rows", "server.log.delivery", "server.log.mongo.documents")

_ID = "0" * 24


class _Store:
    """Takes what MongoDB would, and refuses what `MongoStore` does before it asks."""

    async def connect(self) -> None:
        pass

    async def add(self, records: Mapping[str, PredictionRecord]) -> store.Stored:
        documents, refused = store._to_documents(records)
        refused |= {it.id: why for it in documents if (why := store._inexpressible(it))}
        return store.Stored({it.id for it in documents} - refused.keys(), refused)

    async def join(self, outcomes: Mapping[str, Outcome]) -> store.Joined:
        documents, refused = store._to_outcomes(outcomes)
        return store.Joined(set(documents), set(), set(), refused)


def seeds() -> dict[str, bytes]:
    """Returns rows as the server writes them."""
    outcome = Outcome(True, 30_000, datetime(2030, 1, 1, tzinfo=UTC))
    rows = {"prediction": record(0), "joined": record(0).with_outcome(outcome), "outcome": outcome}
    return {name: msgspec.json.encode(row) for name, row in rows.items()}


@contextmanager
def opened(folder: Path) -> Iterator[Callable[[bytes], None]]:
    """Yields what takes an input, and raises for a finding; it writes below a folder."""
    # Dead letters are errors, and expected.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    file = SpoolFile(folder / FILE_NAME)
    file.connection.execute("PRAGMA synchronous = OFF")
    delivery = Delivery(file, _Store())

    def check(content: bytes) -> None:
        with file.transaction():
            # As a disk may give them back: a text, whatever its bytes are.
            change = "INSERT INTO {} (prediction_id, body) VALUES (?, CAST(? AS TEXT))"
            file.connection.execute(change.format("predictions"), (_ID, content))
            file.connection.execute(change.format("outcomes"), (_ID, content))
            file.connection.execute(change.format("outcomes"), ("1" * 24, content))
        for _ in range(2):
            loop.run_until_complete(delivery.deliver())
            counts = [file.waiting(), file.waiting_outcomes()]
            if not any(counts):
                break
        with file.transaction():
            for table in ("predictions", "outcomes", "dead_letters"):
                file.connection.execute(f"DELETE FROM {table}")
        assert counts == [0, 0], f"{counts} wait for good"

    # Beanie's check that it is connected. Not a mock, which would remember each call.
    connected = patch.object(PredictionDocument, "get_pymongo_collection", new=lambda *_: None)
    with connected, asyncio.Runner() as runner:
        loop = runner.get_loop()
        yield check
    file.close()
    structlog.reset_defaults()
