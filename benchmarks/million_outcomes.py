"""Memory and time of `python -m server report` over many outcomes, and what reading one costs the report.

The embedded MongoDB is filled with made-up documents; the report runs as a process of its own, whose peak
memory the system tells. The wall clock is mostly the database's: the processor's time is ours.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Annotated, Any

import typer
from pymongo import AsyncMongoClient
from rich.console import Console
from rich.progress import track

from server.log.mongo.documents import PredictionDocument
from server.log.mongo.embedded.database import embedded_mongodb
from server.log.mongo.store import MongoStore
from server.report.frame import PredictionRead

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

SHARES = (0.01, 0.1, 1.0)
"""Parts of the predictions that are reported on: memory that grows by the row shows as a slope."""

DAYS = 28
LISTENERS_PER_PREDICTION = 0.05
BATCH = 5_000
PAIRS = 5
MOST_READ_APART = 10_000
"""Up to so many are also read without a report, three ways: the embedded database takes long for more."""


@app.command(epilog="Example: python -m benchmarks.million_outcomes --predictions 1000000")
def main(
    predictions: Annotated[int, typer.Option(min=1000, help="How many, each with an outcome.")] = 1_000_000,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON; - is stdout.")
    ] = None,
) -> None:
    """Measure what a report takes, by how many outcomes there are."""
    rows = asyncio.run(_measure(predictions))
    text = json.dumps({"reports": rows}, indent=2) + "\n"
    if json_file == Path("-"):
        print(text, end="")
    elif json_file is not None:
        json_file.write_text(text, encoding="utf-8")


async def _measure(predictions: int) -> list[dict[str, float]]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_mongodb(Path(folder)) as uri:
            for share in SHARES:
                n = round(predictions * share)
                database = f"{uri.rpartition('/')[0]}/report_{n}"
                await _fill(database, n)
                reading = await _reading(database, n) if n <= MOST_READ_APART else {}
                rows.append({"predictions": n, **_report(database), **reading})
                told = ", ".join(f"{name} {value:,.2f}" for name, value in rows[-1].items())
                print(told, file=sys.stderr, flush=True)
    return rows


async def _fill(uri: str, n: int) -> None:
    """Puts documents into a collection without indexes, which would take ten times as long to write."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(uri)
    database = client.get_default_database()
    made = _documents(n)
    console = Console(stderr=True)
    for begin in track(range(0, n, BATCH), f"writing {n:,} documents", console=console, transient=True):
        batch = [next(made) for _ in range(min(BATCH, n - begin))]
        await database[PredictionDocument.Settings.name].insert_many(batch, ordered=False)
    await client.close()


def _documents(n: int) -> Iterator[dict[str, Any]]:
    """Yields documents like those of real traffic, every other listener in each of two arms."""
    random = Random(20300101)
    listeners = max(20, round(n * LISTENERS_PER_PREDICTION))
    patience = [random.gauss(0.6, 0.8) for _ in range(listeners)]
    start = datetime(2030, 1, 1, tzinfo=UTC)
    for number in range(n):
        listener = min(random.randrange(listeners), random.randrange(listeners))
        arm = ("advanced", "simple")[listener % 2]
        probability = min(0.99, max(0.01, 0.5 + patience[listener] / 5 + random.gauss(0, 0.15)))
        at = start + timedelta(days=DAYS * number / n)
        outcome = {"skipped": random.random() > probability, "listened_ms": 90_000, "recorded_at": at}
        yield {
            "_id": f"{number:024x}", "experiment": "model-comparison", "phase": "0123456789ab", "arm": arm,
            "model": arm, "version": "1", "digest": f"{listener % 2:016x}", "arm_probability": 0.5,
            "listener_id": f"listener-{listener:08}", "track_id": f"track-{number % 10_000:017}",
            "favourite_genres": ["rock", "polish rock"], "play_through_probability": probability,
            "skipped": probability < 0.5, "requested_at": at, "latency_us": 31, "outcome": outcome,
        }  # fmt: skip


async def _reading(uri: str, n: int) -> dict[str, float]:
    """Returns the processor time of this side that a document takes, in microseconds, three ways in turns."""
    store = MongoStore(uri, read_only=True)
    await store.connect()
    query = {"experiment": "model-comparison"}
    projection = {field.alias or name: 1 for name, field in PredictionRead.model_fields.items()}

    async def raw() -> None:
        cursor = PredictionDocument.get_pymongo_collection().find(query, projection, batch_size=BATCH)
        while await cursor.to_list(BATCH):
            pass

    async def batches() -> None:
        async for _ in store.find_batches(query, PredictionRead):
            pass

    async def models() -> None:
        async for _ in PredictionDocument.find(query, projection_model=PredictionRead):
            pass

    ways = {"raw_us": raw, "batches_us": batches, "beanie_models_us": models}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in track(range(PAIRS), "reading three ways", console=Console(stderr=True), transient=True):
        for name, read in ways.items():
            started = time.process_time()
            await read()
            taken[name].append((time.process_time() - started) / n * 1e6)
    await store.close()
    return {name: statistics.median(each) for name, each in taken.items()}


def _report(uri: str) -> dict[str, float]:
    """Returns time, processor time and peak memory of the report as a process."""
    command = [sys.executable, "-m", "server", "report", "--json", "-", "--mongodb-uri", uri]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError("the report failed")
    return {
        "report_s": time.perf_counter() - started,
        "report_cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
    }


if __name__ == "__main__":
    app()
