"""Reads logged predictions back for analysis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from server.errors import StartError, StorageUnavailableError
from server.log.mongo.documents import OutcomeDocument
from server.log.mongo.embedded.database import EmbeddedMongo, running_uri
from server.log.mongo.store import MongoStore
from server.report.frame import LoggedPrediction
from server.report.phases import Phase


class _Logged(BaseModel):
    """The fields of a document that the report reads (so that no others travel)."""

    model_config = ConfigDict(protected_namespaces=())

    prediction_id: str = Field(alias="_id")
    experiment: str
    phase: str
    arm: str
    model: str
    version: str
    arm_probability: float
    listener_id: str | None
    play_through_probability: float
    skipped: bool
    requested_at: datetime
    outcome: OutcomeDocument | None = None

    def to_logged(self) -> LoggedPrediction:
        """Returns the plain value."""
        fields = {
            name: getattr(self, name) for name in LoggedPrediction.__slots__ if name != "outcome_skipped"
        }
        skipped = None if self.outcome is None else self.outcome.skipped
        return LoggedPrediction(**fields, outcome_skipped=skipped)


class ExperimentReader:
    """Reads one MongoDB, and changes nothing there."""

    def __init__(self, store: MongoStore, since: datetime | None) -> None:
        """Takes the store, and from when on to read; None reads all."""
        self._store = store
        self._since: dict[str, Any] = {} if since is None else {"requested_at": {"$gte": since}}

    async def phases(self) -> list[Phase]:
        """Returns the phases of all experiments, by their latest prediction, latest last."""
        group = {
            "_id": {"experiment": "$experiment", "phase": "$phase"},
            "n": {"$sum": 1},
            "first": {"$min": "$requested_at"},
            "last": {"$max": "$requested_at"},
        }
        pipeline = [{"$match": self._since}, {"$group": group}, {"$sort": {"last": 1}}]
        return [Phase(**found.pop("_id"), **found) async for found in self._store.aggregate(pipeline)]

    async def predictions(self, phase: Phase) -> list[LoggedPrediction]:
        """Returns the predictions of one phase, in no particular order."""
        query = self._since | {"experiment": phase.experiment, "phase": phase.phase}
        return [found.to_logged() async for found in self._store.find(query, _Logged)]


@asynccontextmanager
async def reading(uri: str, since: datetime | None) -> AsyncIterator[ExperimentReader]:
    """Reads logged predictions for the duration of a block.

    Args:
        uri: The MongoDB; it is only read.
        since: Reads only predictions requested at or after this time; None reads all.

    Raises:
        StartError: When MongoDB does not answer.
    """
    store = MongoStore(uri, read_only=True)
    try:
        yield ExperimentReader(store, since)
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
