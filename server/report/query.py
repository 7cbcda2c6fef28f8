"""Reads logged predictions back, and reports on them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from server.errors import StartError, StorageUnavailableError
from server.log.mongo.embedded.database import embedded_mongodb, running_uri
from server.log.mongo.store import MongoStore
from server.log.record import PredictionRecord
from server.log.spool.status import count_spooled
from server.report.frame import read_frame
from server.report.phases import Phase, choose_phase
from server.report.report import ExperimentReport, make_report


async def read_phases(store: MongoStore, since: datetime | None = None) -> list[Phase]:
    """Returns the phases of all experiments, those requested since a time or all, latest last."""
    group = {
        "_id": {"experiment": "$experiment", "phase": "$phase"},
        "n": {"$sum": 1},
        "first": {"$min": "$requested_at"},
        "last": {"$max": "$requested_at"},
    }
    pipeline = [{"$match": _since(since)}, {"$group": group}, {"$sort": {"last": 1}}]
    return [Phase(**found.pop("_id"), **found) async for found in store.aggregate(pipeline)]


async def read_predictions(
    store: MongoStore, phase: Phase, since: datetime | None = None
) -> list[PredictionRecord]:
    """Returns the predictions of one phase, in no particular order; see `read_phases`."""
    query = _since(since) | {"experiment": phase.experiment, "phase": phase.phase}
    return [found async for found in store.find(query)]


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
        uri: The MongoDB; None for the embedded one, in its folder.
        embedded_directory: See `uri`.
        spool_directory: The spool's folder.
        since: Reads only predictions requested at or after this time; None reads all.
        experiment: Which experiment, and which phase of it; see `choose_phase`.
        phase: See `experiment`.
        metric: What decides: "accuracy", "brier" or "log_loss".

    Raises:
        StartError: When MongoDB does not answer, or nothing was logged there.
        PhaseNotFoundError: When nothing was logged under that experiment or phase.
    """
    async with _store_of(uri, embedded_directory) as store:
        phases = await read_phases(store, since)
        chosen = choose_phase(phases, experiment, phase)
        key = None if chosen is None else (chosen.experiment, chosen.phase)
        # Counted before the rest is read: what is delivered in between counts twice, rather than not at all.
        spooled = await asyncio.to_thread(count_spooled, spool_directory, key)
        if chosen is None and not spooled.waiting:
            after = f" from {since.isoformat()} on" if since else ""
            raise StartError(
                f"nothing to report: {store.address} holds no prediction{after}, and none waits in"
                f" {spool_directory}"
            )
        logged = [] if chosen is None else await read_predictions(store, chosen, since)
    return make_report(read_frame(logged), spooled, phase=chosen, phases=phases, metric=metric)


def _since(since: datetime | None) -> dict[str, Any]:
    return {} if since is None else {"requested_at": {"$gte": since}}


@asynccontextmanager
async def _store_of(uri: str | None, directory: Path) -> AsyncIterator[MongoStore]:
    """Opens a MongoDB to read it: by default the embedded one, which runs for the block unless it runs."""
    async with AsyncExitStack() as stack:
        uri = uri or await running_uri(directory)
        if uri is None:
            if not (directory / "data").is_dir():
                raise StartError(f"no experiment has been logged: {directory} holds no database")
            uri = await stack.enter_async_context(embedded_mongodb(directory))
        store = MongoStore(uri, read_only=True)
        stack.push_async_callback(store.close)
        try:
            yield store
        except StorageUnavailableError as error:
            raise StartError(f"no answer from MongoDB at {store.address}: {error.reason}") from error
