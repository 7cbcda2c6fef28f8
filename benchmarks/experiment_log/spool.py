"""Records a second that the spool puts on disk, beside SQLite alone on the same rows and groups."""

import asyncio
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from rich.progress import track

from server.log.record import PredictionRecord
from server.log.spool.file import SpoolFile
from server.log.spool.spool import Spool

CALLERS = (16, 64, 256, 1000)
"""How many callers wait at the same time; 1,000 is what a worker takes (`PLAYTHROUGH_MAX_IN_FLIGHT`)."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What the spool did: records a second of wall clock and of CPU time, and how many shared a commit."""

    wall: float
    cpu: float
    group: float


def bench_spool(pairs: int, seconds: float) -> dict[str, Any]:
    """Measures both in turns, on one core; how long the disk takes for a commit bounds the wall clock."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    found: dict[str, Any] = {}
    try:
        for callers in CALLERS:
            told = []
            for _ in track(range(pairs), f"spool, {callers} callers", transient=True):
                with tempfile.TemporaryDirectory() as folder:
                    ours = asyncio.run(_spool_rate(Path(folder) / "ours", callers, seconds))
                    bare = _sqlite_rate(Path(folder) / "bare", round(ours.group), seconds)
                    told.append((ours, bare, _syncs_per_s(Path(folder))))
            walls, ratios = [ours.wall for ours, *_ in told], [ours.wall / bare for ours, bare, _ in told]
            found[str(callers)] = {
                "records_per_commit": statistics.median(ours.group for ours, *_ in told),
                "records_per_s": statistics.median(walls),
                "records_per_s_range": [min(walls), max(walls)],
                "records_per_cpu_s": statistics.median(ours.cpu for ours, *_ in told),
                "sqlite_records_per_s": statistics.median(bare for _, bare, _ in told),
                "ratio": statistics.median(ratios),
                "ratio_range": [min(ratios), max(ratios)],
                "disk_syncs_per_s": statistics.median(syncs for *_, syncs in told),
            }
    finally:
        os.sched_setaffinity(0, cores)
    return found


def _record(number: int) -> PredictionRecord:
    """Returns a record like those of real traffic."""
    return PredictionRecord(
        prediction_id=f"{number:024x}",
        experiment="model-comparison",
        phase="0123456789ab",
        arm="advanced",
        model="advanced",
        version="1",
        arm_probability=0.5,
        listener_id="101",
        track_id="4uLU6hMCjMI75M1A2tKUQC",
        favourite_genres=("rock", "polish rock", "jazz"),
        play_through_probability=0.7311,
        skipped=False,
        requested_at=datetime.now(UTC),
        latency_us=31,
    )


async def _spool_rate(folder: Path, callers: int, seconds: float) -> Rate:
    """Measures as many callers, each of whom waits for its record before it sends the next."""
    spool = Spool(folder / "0.sqlite3", max_records=100_000_000)
    statements: list[str] = []
    spool._committer.file.connection.set_trace_callback(
        lambda statement: statements.append(statement) if statement == "COMMIT" else None
    )
    template, written = _record(0), 0
    started, cpu = time.perf_counter(), time.process_time()

    async def caller(offset: int) -> None:
        nonlocal written
        number = offset
        while time.perf_counter() - started < seconds:
            await spool.append(replace(template, prediction_id=f"{number:024x}"))
            number += callers
            written += 1

    await asyncio.gather(*(caller(offset) for offset in range(callers)))
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    await spool.close()
    return Rate(written / took, written / cpu, written / len(statements))


def _sqlite_rate(folder: Path, group: int, seconds: float) -> float:
    """Returns records a second of SQLite alone: the floor that the spool stands on."""
    file = SpoolFile(folder / "0.sqlite3")
    template, written, started = _record(0), 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        with file.transaction():
            file.insert([replace(template, prediction_id=f"{written + n:024x}") for n in range(group)])
        written += group
    rate = written / (time.perf_counter() - started)
    file.close()
    return rate


def _syncs_per_s(folder: Path) -> float:
    """Returns how often a second the disk takes 16 KiB for good, one write after the other."""
    block, syncs, started = b"x" * 16_384, 0, time.perf_counter()
    with (folder / "synced").open("wb") as file:
        while time.perf_counter() - started < 0.5:
            file.write(block)
            file.flush()
            os.fsync(file.fileno())
            syncs += 1
    return syncs / (time.perf_counter() - started)
