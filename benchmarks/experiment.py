"""What the experiment log costs and keeps, and how often its report errs.

`spool`: records a second that the spool puts on disk, in groups as large as concurrent calls make them,
beside SQLite alone on the same rows and groups. `outage`: PredictRandom's latency with MongoDB there and
stopped, in turns, and how soon after all is there. `aa`: how often 1,000 experiments without a difference,
read every day, claim one.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from rich.console import Console
from rich.progress import track

GROUPS = (16, 64, 256)


def record(number: int) -> Any:
    """Returns a record like those of real traffic."""
    from server.experiment.records import PredictionRecord

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


async def spool_rate(folder: Path, group: int, seconds: float) -> tuple[float, float]:
    """Returns records a second of wall clock, and of CPU time, that `group` callers in turn get durable."""
    from server.experiment.spool import Spool

    spool = Spool(folder / f"{group}.sqlite3", max_records=100_000_000)
    template, written = record(0), 0
    started, cpu = time.perf_counter(), time.process_time()

    async def caller(offset: int) -> None:
        nonlocal written
        number = offset
        while time.perf_counter() - started < seconds:
            await spool.append(replace(template, prediction_id=f"{number:024x}"))
            number += group
            written += 1

    await asyncio.gather(*(caller(offset) for offset in range(group)))
    rates = written / (time.perf_counter() - started), written / (time.process_time() - cpu)
    await spool.close()
    return rates


def sqlite_rate(folder: Path, group: int, seconds: float) -> float:
    """Returns the same for SQLite alone: the floor that the spool stands on."""
    from server.experiment.spool_file import SpoolFile

    file = SpoolFile(folder / f"bare-{group}.sqlite3")
    body, written, started = record(0).to_json(), 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        file.connection.execute("BEGIN IMMEDIATE")
        file.insert([(f"{written + n:024x}", body) for n in range(group)])
        file.connection.execute("COMMIT")
        written += group
    rate = written / (time.perf_counter() - started)
    file.close()
    return rate


def bench_spool(pairs: int, seconds: float) -> dict[str, Any]:
    """Measures both in turns, on one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    found: dict[str, Any] = {}
    try:
        for group in GROUPS:
            told = []
            for _ in track(range(pairs), f"spool, groups of {group}", transient=True):
                with tempfile.TemporaryDirectory() as folder:
                    ours = asyncio.run(spool_rate(Path(folder), group, seconds))
                    told.append((*ours, sqlite_rate(Path(folder), group, seconds)))
            walls, cpus, bare = (list(column) for column in zip(*told, strict=True))
            ratios = [wall / floor for wall, floor in zip(walls, bare, strict=True)]
            found[str(group)] = {
                "records_per_s": statistics.median(walls),
                "records_per_s_range": [min(walls), max(walls)],
                "records_per_cpu_s": statistics.median(cpus),
                "sqlite_records_per_s": statistics.median(bare),
                "ratio": statistics.median(ratios),
                "ratio_range": [min(ratios), max(ratios)],
            }
    finally:
        os.sched_setaffinity(0, cores)
    return found


async def latencies(stub: Any, track_id: str, seconds: float, rate: float, failed: list[str]) -> list[float]:
    """Calls at a steady rate, whatever answers take, and returns each call's milliseconds."""
    from playthrough.v1 import prediction_service_pb2 as pb

    found: list[float] = []

    async def call() -> None:
        began = time.perf_counter()
        try:
            await stub.PredictRandom(pb.PredictRandomRequest(track_id=track_id, listener_id="7"), timeout=30)
        except grpc.aio.AioRpcError as error:
            failed.append(str(error.code()))
        found.append(1000 * (time.perf_counter() - began))

    started = time.perf_counter()
    calls: list[asyncio.Task[None]] = []
    while (due := len(calls) / rate) < seconds:
        await asyncio.sleep(max(0.0, started + due - time.perf_counter()))
        calls.append(asyncio.create_task(call()))
    await asyncio.gather(*calls)
    return found


async def bench_outage(pairs: int, seconds: float, rate: float) -> dict[str, Any]:
    """Measures with MongoDB there and stopped in turns; server and database are processes of their own."""
    from data import generate, read_catalogue
    from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
    from server.experiment.spool_folder import count_spooled
    from tests.server.soak import Soak
    from tests.server.tiny_models import save_tiny_model

    with tempfile.TemporaryDirectory() as folder:
        data, models, var = (Path(folder) / name for name in ("data", "models", "var"))
        generate(data, listeners=5, tracks=40, plays=200)
        save_tiny_model(models, "simple", "1")
        track_id = str(read_catalogue(data).track_ids[0])
        soak = Soak(data, models, var, track_id, seed=0)
        await soak.start_mongodb()
        failed: list[str] = []
        rows = []
        async with soak.server() as (process, address), grpc.aio.insecure_channel(address) as channel:
            stub = pb_grpc.PredictionServiceStub(channel)
            await latencies(stub, track_id, 3, rate, failed)
            for _ in track(range(pairs), "outage", transient=True):
                there = await latencies(stub, track_id, seconds, rate, failed)
                before = _resident_mib(process.pid)
                await soak.stop_mongodb()
                away = await latencies(stub, track_id, seconds, rate, failed)
                grown = _resident_mib(process.pid) - before
                waiting = (await asyncio.to_thread(count_spooled, var / "spool")).waiting
                await soak.start_mongodb()
                back = time.perf_counter()
                await soak.flushed()
                rows.append((there, away, waiting, time.perf_counter() - back, grown))
        await soak.stop_mongodb()
    p99 = [(float(np.percentile(t, 99)), float(np.percentile(a, 99))) for t, a, *_ in rows]
    ratios = [away / there for there, away in p99]
    return {
        "calls_per_s": rate,
        "seconds_away": seconds,
        "calls": sum(len(t) + len(a) for t, a, *_ in rows),
        "failed": len(failed),
        "p99_ms_there": [there for there, _ in p99],
        "p99_ms_away": [away for _, away in p99],
        "p99_ratio": statistics.median(ratios),
        "p99_ratio_range": [min(ratios), max(ratios)],
        "p50_ratio": statistics.median(np.median(a) / np.median(t) for t, a, *_ in rows),
        "waiting_at_return": [row[2] for row in rows],
        "delivered_after_s": [row[3] for row in rows],
        "memory_grown_mib": [row[4] for row in rows],
    }


def _resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def bench_aa(times: int) -> dict[str, Any]:
    """Reads experiments without a difference every day for 28 days."""
    from tests.server.test_report_statistics import peeked_p_value

    random = np.random.default_rng(6)
    runs = [
        peeked_p_value(random, listeners=200, plays_a_day=150, gain=0.0)
        for _ in track(range(times), "A/A", transient=True)
    ]
    return {
        "experiments": times,
        "always_valid_false_positives": float(np.mean([least < 0.05 for least, _ in runs])),
        "fixed_time_false_positives": float(np.mean([naive for _, naive in runs])),
    }


def main() -> None:
    """Runs what is asked for, prints a table and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=[], help="spool, outage, aa; all by default")
    parser.add_argument("--data", help="not used: the traffic is made up")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each spool measurement")
    parser.add_argument("--outage-seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=100.0, help="calls a second during the outage")
    parser.add_argument("--experiments", type=int, default=1000)
    parser.add_argument("--json", type=Path, default=Path("var/benchmarks/experiment.json"))
    options = parser.parse_args()
    parts = options.parts or ["spool", "outage", "aa"]
    results: dict[str, Any] = {}
    if "spool" in parts:
        results["spool"] = bench_spool(options.pairs, options.seconds)
    if "outage" in parts:
        results["outage"] = asyncio.run(bench_outage(options.pairs, options.outage_seconds, options.rate))
    if "aa" in parts:
        results["aa"] = bench_aa(options.experiments)
    Console().print_json(data=results)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
