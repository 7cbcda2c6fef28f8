"""Records a second that one process puts on disk."""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.log_load.records import new_record
from server.log.spool.file import FILE_NAME, SpoolFile
from server.log.spool.spool import Spool


@dataclass(frozen=True, slots=True)
class Rate:
    """What the spool did: records a second of wall clock and of CPU time, and how many shared a commit."""

    wall: float
    cpu: float
    group: float


async def spool(folder: Path, callers: int, seconds: float) -> Rate:
    """Measures as many callers, each of whom waits for its record before it sends the next."""
    spool = Spool(folder, max_records=100_000_000)
    commits: list[str] = []
    spool._committer._file.connection.set_trace_callback(
        lambda statement: commits.append(statement) if statement == "COMMIT" else None
    )
    written, started, cpu = 0, time.perf_counter(), time.process_time()

    async def caller() -> None:
        nonlocal written
        while time.perf_counter() - started < seconds:
            await spool.append(new_record())
            written += 1

    await asyncio.gather(*(caller() for _ in range(callers)))
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    await spool.close()
    return Rate(written / took, written / cpu, written / len(commits))


def sqlite(folder: Path, group: int, seconds: float) -> float:
    """Returns records a second of SQLite alone: the floor that the spool stands on."""
    file = SpoolFile(folder / FILE_NAME)
    written, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        with file.transaction():
            file.insert([new_record() for _ in range(group)])
        written += group
    rate = written / (time.perf_counter() - started)
    file.close()
    return rate


def syncs_per_s(folder: Path) -> float:
    """Returns how often a second the disk takes 16 KiB for good, one write after the other."""
    block, syncs, started = b"x" * 16_384, 0, time.perf_counter()
    with (folder / "synced").open("wb") as file:
        while time.perf_counter() - started < 0.5:
            file.write(block)
            file.flush()
            os.fsync(file.fileno())
            syncs += 1
    return syncs / (time.perf_counter() - started)
