"""Reads logged predictions back, and reports on them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from server.errors import StartError, StorageUnavailableError
from server.log.mongo.embedded.database import embedded_mongodb, running_uri
from server.log.mongo.store import MongoStore
from server.log.record import PredictionRecord
from server.log.spool.folder import count_spooled
from server.report.frame import read_frame
from server.report.phases import Phase, choose_phase
from server.report.report import ExperimentReport, make_report


class ExperimentReader:
    """Reads one MongoDB, and changes nothing there."""

    def __init__(self, store: MongoStore, since: datetime | None) -> None:
        """Sets what to read, and from when on; None reads all."""
        self.address = store.address
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

    async def predictions(self, phase: Phase) -> list[PredictionRecord]:
        """Returns the predictions of one phase, in no particular order."""
        query = self._since | {"experiment": phase.experiment, "phase": phase.phase}
        return [found async for found in self._store.find(query)]


async def read_report(
    uri: str | None,
    embedded_directory: Path,
    spool_directory: Path,
    *,
    since: datetime | None = None,
    experiment: str | None = None,
    phase: str | None = None,
    metric: str = "accuracy",
) -> ExperimentReport:
    """Reads one phase of what was logged, and what waits in this machine's spool, and reports on it.

    Args:
        uri: The MongoDB; None for the embedded one.
        embedded_directory: The embedded database's folder.
        spool_directory: The spool's folder.
        since: Reads only predictions requested at or after this time; None reads all.
        experiment: Which experiment; see `choose_phase`.
        phase: Which phase; see `choose_phase`.
        metric: What decides: "accuracy", "brier" or "log_loss".

    Raises:
        StartError: When MongoDB does not answer, or nothing was logged there.
        PhaseNotFoundError: When nothing was logged under that experiment or phase.
    """
    async with _uri_of(uri, embedded_directory) as found, open_reader(found, since) as reader:
        phases = await reader.phases()
        chosen = choose_phase(phases, experiment, phase)
        key = None if chosen is None else (chosen.experiment, chosen.phase)
        # Counted before the rest is read: what is delivered in between counts twice, rather than not at all.
        spooled = await asyncio.to_thread(count_spooled, spool_directory, key)
        if chosen is None and not spooled.waiting:
            raise StartError(
                f"nothing to report: {reader.address} holds no prediction"
                + (f" since {since.isoformat()}" if since else "")
                + f", and none waits in {spool_directory}"
            )
        logged = [] if chosen is None else await reader.predictions(chosen)
    return make_report(read_frame(logged), spooled, phase=chosen, phases=phases, metric=metric)


@asynccontextmanager
async def open_reader(uri: str, since: datetime | None) -> AsyncIterator[ExperimentReader]:
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
async def _uri_of(uri: str | None, directory: Path) -> AsyncIterator[str]:
    """Yields a URI: by default the embedded database's, which runs for the block unless a server runs it.

    Raises:
        StartError: When there is none, or it does not start.
    """
    uri = uri or await running_uri(directory)
    if uri is not None:
        yield uri
    elif (directory / "data").is_dir():
        async with embedded_mongodb(directory) as uri:
            yield uri
    else:
        raise StartError(f"no experiment has been logged: {directory} holds no database")
