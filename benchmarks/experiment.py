"""Records a second that the spool puts on disk, beside SQLite alone on the same rows and groups.

How long the disk takes for a commit bounds the wall clock; the processor's time is ours.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace
from rich.console import Console
from rich.progress import track

from server.log.record import PredictionRecord
from server.log.spool.file import SpoolFile
from server.log.spool.spool import Spool

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

CALLERS = (16, 64, 256, 1000)
"""How many callers wait at the same time; 1,000 is what a worker takes (`PLAYTHROUGH_MAX_IN_FLIGHT`)."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What the spool did: records a second of wall clock and of CPU time, and how many shared a commit."""

    wall: float
    cpu: float
    group: float


@app.command(epilog="Example: python -m benchmarks.experiment --data data/sample")
def main(
    data: Annotated[Path | None, typer.Option(help="Not read: what is logged is made up.")] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of runs; a claim needs at least 5.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of each measurement.")] = 2.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON; - is stdout.")
    ] = None,
) -> None:
    """Measure what the experiment log costs, on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rows = []
    for callers in CALLERS:
        rows.append(measure(callers, pairs, seconds))
        print(", ".join(f"{name} {value:,.2f}" for name, value in rows[-1].items()), file=sys.stderr)
    text = json.dumps({"spool": rows}, indent=2) + "\n"
    if json_file == Path("-"):
        print(text, end="")
    elif json_file is not None:
        json_file.write_text(text, encoding="utf-8")


def measure(callers: int, pairs: int, seconds: float) -> dict[str, float]:
    """Returns the figures of as many callers at the same time, both measured in turns."""
    runs = []
    for _ in track(range(pairs), f"{callers} callers", transient=True, console=Console(stderr=True)):
        with tempfile.TemporaryDirectory() as folder:
            ours = asyncio.run(_spool_rate(Path(folder) / "ours", callers, seconds))
            bare = _sqlite_rate(Path(folder) / "bare", round(ours.group), seconds)
            runs.append((ours, bare, _syncs_per_s(Path(folder))))
    walls, ratios = [ours.wall for ours, *_ in runs], [ours.wall / bare for ours, bare, _ in runs]
    return {
        "callers": callers,
        "records_per_commit": statistics.median(ours.group for ours, *_ in runs),
        "records_per_s": statistics.median(walls),
        "records_per_cpu_s": statistics.median(ours.cpu for ours, *_ in runs),
        "sqlite_records_per_s": statistics.median(bare for _, bare, _ in runs),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "disk_syncs_per_s": statistics.median(syncs for *_, syncs in runs),
    }


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


if __name__ == "__main__":
    app()
