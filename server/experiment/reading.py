"""Reads logged predictions back for analysis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from server.errors import StartError, StorageUnavailableError
from server.experiment.analysis import JudgedPrediction
from server.experiment.documents import OutcomeDocument
from server.experiment.embedded import EmbeddedMongo, running_uri
from server.experiment.store import MongoStore


class _Judged(BaseModel):
    """The fields of a document that the analysis reads (so that no others travel)."""

    arm: str
    play_through_probability: float
    skipped: bool
    outcome: OutcomeDocument | None = Field(default=None)


async def read_judged(uri: str, since: datetime | None) -> list[JudgedPrediction]:
    """Reads the logged predictions.

    Args:
        uri: The MongoDB.
        since: Reads only predictions requested at or after this time; None reads all.

    Returns:
        The predictions, in no particular order.

    Raises:
        StartError: When MongoDB does not answer.
    """
    store = MongoStore(uri)
    query: dict[str, Any] = {} if since is None else {"requested_at": {"$gte": since}}
    try:
        return [
            JudgedPrediction(
                arm=found.arm,
                play_through_probability=found.play_through_probability,
                skipped=found.skipped,
                outcome_skipped=None if found.outcome is None else found.outcome.skipped,
            )
            async for found in store.find(query, _Judged)
        ]
    except StorageUnavailableError as error:
        raise StartError(f"no answer from MongoDB at {store.address}: {error.reason}") from error
    finally:
        await store.close()


@asynccontextmanager
async def embedded_uri(directory: Path) -> AsyncIterator[str]:
    """Finds the embedded database of a running server, or runs it for the duration of a block.

    Args:
        directory: The embedded database's folder.

    Yields:
        Its URI.

    Raises:
        StartError: When there is none, or it does not start.
    """
    uri = await running_uri(directory)
    if uri is not None:
        yield uri
        return
    if not (directory / "data").is_dir():
        raise StartError(f"no experiment has been logged: {directory} holds no database")
    embedded = EmbeddedMongo(directory)
    uri = await embedded.start()
    try:
        yield uri
    finally:
        await embedded.stop()
