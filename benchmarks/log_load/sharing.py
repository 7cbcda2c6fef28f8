"""Several processes that append at the same time, to one spool file or to one each."""

import asyncio
import multiprocessing
import statistics
import time
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from benchmarks.log_load.records import new_record
from server.log.spool.spool import Spool


@dataclass(frozen=True, slots=True)
class Sharing:
    """Records a second of all processes, and the 99th percentile of how long one waited, in ms."""

    rate: float
    p99_ms: float


def run(folder: Path, workers: int, callers: int, seconds: float, *, shared: bool) -> Sharing:
    """Measures as many processes, each with as many callers that wait for their record before the next."""
    context = multiprocessing.get_context("spawn")
    results: Any = context.Queue()
    start = context.Barrier(workers)
    folders = [folder if shared else folder / str(number) for number in range(workers)]
    processes = [
        context.Process(target=_work, args=(path, callers, seconds, start, results)) for path in folders
    ]
    for process in processes:
        process.start()
    waits = [wait for _ in processes for wait in results.get(timeout=seconds + 120)]
    for process in processes:
        process.join()
    return Sharing(len(waits) / seconds, 1000 * statistics.quantiles(waits, n=100)[98])


def _work(folder: Path, callers: int, seconds: float, start: Barrier, results: Any) -> None:
    results.put(asyncio.run(_append(folder, callers, seconds, start)))


async def _append(folder: Path, callers: int, seconds: float, start: Barrier) -> list[float]:
    spool = Spool(folder, max_records=100_000_000)
    waits: list[float] = []
    start.wait()
    until = time.perf_counter() + seconds

    async def caller() -> None:
        while (began := time.perf_counter()) < until:
            await spool.append(new_record())
            waits.append(time.perf_counter() - began)

    await asyncio.gather(*(caller() for _ in range(callers)))
    await spool.close()
    return waits
