"""Calls that are not logged: beside the bare transport, MLServer, two workers, metrics and new versions."""

import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.load import h2load, servers, swap
from benchmarks.load.comparing import Row
from benchmarks.load.servers import Running
from benchmarks.load.setup import Figure, Setup, compare_rates

_MLSERVER_PYTHON = Path(".bench-venv/bin/python")  # made by `make bench-peers`
_MLSERVER_METHOD = "inference.GRPCInferenceService/ModelInfer"
# The system spreads connections over the workers by chance: with many, each gets about half.
_CONNECTIONS = 16


def predict(setup: Setup) -> Iterator[Row | Figure]:
    """Compares single predictions with the bare transport."""
    bench = setup.bench
    with setup.floor() as floor, setup.ours() as ours:
        for in_flight in (1, 8, 64):
            row = compare_rates(bench, "Predict", ours, floor, in_flight)
            yield row
        yield bench.compare(
            "Predict, 64 in flight, to the floor: processor time",
            "µs/call",
            lambda: bench.cpu_us(ours, "Predict", 64),
            lambda: bench.cpu_us(floor, "Predict", 64),
        )
        offered = int(row.other * 0.5)
        yield bench.compare(
            f"Predict, {offered:,} calls/s offered, to the floor: p99",
            "ms",
            lambda: bench.at_rate(ours, "Predict", offered).p99_ms,
            lambda: bench.at_rate(floor, "Predict", offered).p99_ms,
        )


def rankings(setup: Setup) -> Iterator[Row | Figure]:
    """Measures what one caller gets ranked, the start, and the memory after."""
    bench = setup.bench
    with setup.ours() as ours:
        for name, tracks in (
            ("RankTracks 500", 500),
            ("RankTracks 500, top 20", 500),
            ("RankTracks catalogue, top 50", 0),
        ):
            bench.progress(name)
            rate = statistics.median(bench.rate(ours, name, 1) for _ in range(bench.pairs))
            yield (f"{name}: tracks/s", rate * tracks) if tracks else (f"{name}: ms", 1000 / rate)
        yield "ready after, s", ours.ready_s
        yield "resident memory, MB", servers.resident_mb(ours.pid)


def workers(setup: Setup) -> Iterator[Row | Figure]:
    """Compares two workers with one; says little where the load generator has no core of its own."""
    bench, two = setup.bench, replace(setup, folder=setup.folder / "two")

    def rate(server: Running) -> float:
        return bench.load(server, "Predict", 64, _CONNECTIONS).calls_per_s

    with setup.ours() as one_worker, two.ours("--workers", "2") as two_workers:
        yield bench.compare(
            f"Predict, 64 in flight over {_CONNECTIONS} connections, two workers to one",
            "calls/s",
            lambda: rate(two_workers),
            lambda: rate(one_worker),
        )


def metrics(setup: Setup) -> Iterator[Row | Figure]:
    """Compares a server that shows its metrics with one that does not."""
    bench = setup.bench
    with setup.ours() as plain, swap.swapping(setup.data, setup.models, setup.folder) as swapped:
        yield bench.compare(
            "Predict, 64 in flight, metrics on to off",
            "calls/s",
            lambda: bench.rate(swapped.server, "Predict", 64),
            lambda: bench.rate(plain, "Predict", 64),
        )


def new_version(setup: Setup) -> Iterator[Row | Figure]:
    """Compares the latency around a swap with that of a quiet time, at half of the server's rate."""
    with swap.swapping(setup.data, setup.models, setup.folder) as swapped:
        rate_per_s = int(setup.bench.rate(swapped.server, "Predict", 64) * 0.5)
        row, figures = swapped.compare(setup.bench, rate_per_s)
        yield row
        yield from figures.items()


def mlserver(setup: Setup) -> Iterator[Row | Figure]:
    """Compares single predictions with MLServer's of the same network, where that is installed."""
    if not _MLSERVER_PYTHON.exists():
        return
    bench, request = setup.bench, setup.folder / "request"
    command = [str(_MLSERVER_PYTHON), "benchmarks/load/mlserver_peer.py", str(setup.folder), str(request)]
    with setup.ours() as ours, servers.running(command) as peer:
        body = request.read_bytes()

        def theirs() -> float:
            load = h2load.drive(peer.address, _MLSERVER_METHOD, body, in_flight=64, seconds=bench.seconds)
            return load.calls_per_s

        claim = "Predict, 64 in flight, to MLServer's ModelInfer of the same network"
        yield bench.compare(claim, "calls/s", lambda: bench.rate(ours, "Predict", 64), theirs)
