"""PredictRandom's latency with MongoDB there and stopped, in turns, and how soon after all is there."""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from rich.progress import track

from data import read_catalogue
from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server.log.spool.folder import count_spooled
from tests.server.soak import Soak
from tests.server.tiny_models import save_tiny_model


async def bench_outage(data: Path, pairs: int, seconds: float, rate: float) -> dict[str, Any]:
    """Measures with MongoDB there and stopped in turns; server and database are processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        models, var = Path(folder) / "models", Path(folder) / "var"
        save_tiny_model(models, "simple", "1")
        track_id = str(read_catalogue(data).track_ids[0])
        soak = Soak(data, models, var, track_id, seed=0)
        await soak.start_mongodb()
        failed: list[str] = []
        rows = []
        async with soak.server() as (process, address), grpc.aio.insecure_channel(address) as channel:
            stub = pb_grpc.PredictionServiceStub(channel)
            await _latencies(stub, track_id, 3, rate, failed)
            for _ in track(range(pairs), "outage", transient=True):
                there = await _latencies(stub, track_id, seconds, rate, failed)
                before = _resident_mib(process.pid)
                await soak.stop_mongodb()
                away = await _latencies(stub, track_id, seconds, rate, failed)
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


async def _latencies(stub: Any, track_id: str, seconds: float, rate: float, failed: list[str]) -> list[float]:
    """Calls at a steady rate, whatever answers take, and returns each call's milliseconds."""
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


def _resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
