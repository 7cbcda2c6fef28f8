"""Reads logged predictions back, and reports on them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from server.errors import StartError, StorageUnavailableError
from server.experiment.metric import DEFAULT_METRIC, Metric
from server.log.mongo.embedded.database import embedded_mongodb, running_uri
from server.log.mongo.store import MongoStore
from server.log.spool.status import count_spooled
from server.report.export import exporting
from server.report.frame import FrameColumns, PredictionRead
from server.report.phases import Phase, choose_phase
from server.report.progress import ReportProgress
from server.report.report import ExperimentReport, make_report


async def read_phases(store: MongoStore, since: datetime | None = None) -> list[Phase]:
    """Returns the phases of all experiments, those requested since a time or all, latest last."""
    group = {
        "_id": {"experiment": "$experiment", "phase": "$phase"},
        "n": {"$sum": 1},
        "first": {"$min": "$requested_at"},
        "last": {"$max": "$requested_at"},
        "metric": {"$max": "$metric"},
    }
    pipeline = [{"$match": _since(since)}, {"$group": group}, {"$sort": {"last": 1}}]
    return [_phase(**found.pop("_id"), **found) async for found in store.aggregate(pipeline)]


def _phase(metric: str | None = None, **found: Any) -> Phase:
    return Phase(**found, metric=metric or DEFAULT_METRIC.value)  # older servers logged none


async def read_predictions(
    store: MongoStore,
    phase: Phase,
    since: datetime | None = None,
    *,
    progress: ReportProgress | None = None,
    export: Path | None = None,
) -> pd.DataFrame:
    """Reads the predictions of one phase in bounded memory.

    Args:
        store: Where they are.
        phase: Which of `read_phases`.
        since: Reads only what was requested at or after this time; None reads all.
        progress: Counts what is read.
        export: A file to write them to on the way; see `export.exporting`.

    Returns:
        The table of `frame.FrameColumns`.
    """
    query = _since(since) | {"experiment": phase.experiment, "phase": phase.phase}
    columns = FrameColumns()
    with nullcontext() if export is None else exporting(export) as write:
        async for batch in store.find_batches(query, None if write else PredictionRead):
            columns.add(batch)
            if write:
                write(batch)
            if progress:
                progress.advance(len(batch))
    return columns.frame()


async def read_report(
    uri: str | None,
    embedded_directory: Path,
    spool_directory: Path,
    *,
    since: datetime | None = None,
    experiment: str | None = None,
    phase: str | None = None,
    shown_first: str | None = None,
    export: Path | None = None,
    progress: ReportProgress | None = None,
) -> ExperimentReport:
    """Reads one phase of what was logged, and what waits in this machine's spool, and reports on it.

    Args:
        uri: The MongoDB; None for the embedded one, in its folder.
        embedded_directory: See `uri`.
        spool_directory: The spool's folder.
        since: Reads only predictions requested at or after this time; None reads all.
        experiment: Which experiment, and which phase of it; see `choose_phase`.
        phase: See `experiment`.
        shown_first: The metric to show first; the one that the phase declared, by default.
        export: A file to write the phase's predictions to; see `export.exporting`.
        progress: Shows how far it is.

    Raises:
        StartError: When MongoDB does not answer, nothing was logged there, or a later release declared what
            decides.
        ServiceError: When the file's suffix is unknown.
        DataError: When it cannot be written.
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
        if chosen is None:
            if export:
                with exporting(export):
                    pass  # a file without rows rather than none
            return make_report(
                FrameColumns().frame(), spooled, phase=None, phases=phases, shown_first=shown_first
            )
        if chosen.metric not in set(Metric):
            raise StartError(f"this release knows no metric {chosen.metric!r}, which the phase declared")
        if progress:
            progress.reading(chosen.n)
        logged = await read_predictions(store, chosen, since, progress=progress, export=export)
    if progress:
        progress.judging()
    return make_report(
        logged, spooled, phase=chosen, phases=phases, metric=chosen.metric, shown_first=shown_first
    )


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
