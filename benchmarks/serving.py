"""Speed of the server beside the bare transport, and beside MLServer where it is installed.

Needs h2load (Debian: nghttp2-client). Every figure is a ratio of two servers on this machine that were
measured in turns: the median of at least five pairs, with the lowest and the highest.

Example: python -m benchmarks.serving --data ../shared/data/v2 --models models/registry --json serving.json
"""

import json
import statistics
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from google.protobuf.message import Message
from rich.console import Console

from benchmarks.load import h2load, peers, servers, swap
from benchmarks.load.comparing import SERVICE, Bench, Row, as_table, compare
from benchmarks.load.holding import held
from benchmarks.load.servers import Running
from data import DataError, read_catalogue
from playthrough.v1 import prediction_service_pb2 as pb

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_HELD_SHARE = 0.4
_SUSTAINED_S = 36.0
_GENRES = ("rock", "pop", "polish rock")


def compare_rates(bench: Bench, name: str, ours: Running, floor: Running, in_flight: int) -> Row:
    """Compares calls a second of a method with the bare transport's; whoever is measured has the machine."""

    def our_rate() -> float:
        rate = bench.rate(ours, name, in_flight)
        ours.settle()  # what was logged is on its way to MongoDB for some seconds more
        return rate

    return compare(
        f"{name}, {in_flight} in flight, to the floor",
        "calls/s",
        our_rate,
        lambda: bench.rate(floor, "Predict", in_flight),
        bench.pairs,
    )


def compare_sustained(bench: Bench, ours: Running, floor: Running) -> Row:
    """Compares calls that are logged for so long that delivery to MongoDB gives way no more."""

    def our_rate() -> float:
        rate = bench.rate_at_the_end(ours, "PredictRandom", 64, _SUSTAINED_S)
        ours.settle()
        return rate

    claim = f"PredictRandom, 64 in flight for {_SUSTAINED_S:.0f} s, last third, to the floor"
    return compare(claim, "calls/s", our_rate, lambda: bench.rate(floor, "Predict", 64), bench.pairs)


def compare_with_floor(bench: Bench, ours: Running, floor: Running) -> list[Row]:
    """Compares single predictions with the bare transport."""
    rows = [compare_rates(bench, "Predict", ours, floor, in_flight) for in_flight in (1, 8, 64)]
    rows.append(
        compare(
            "Predict, 64 in flight, to the floor: processor time",
            "µs/call",
            lambda: bench.cpu_us(ours, "Predict", 64),
            lambda: bench.cpu_us(floor, "Predict", 64),
            bench.pairs,
        )
    )
    offered = int(rows[2].other * 0.5)
    rows.append(
        compare(
            f"Predict, {offered:,} calls/s offered, to the floor: p99",
            "ms",
            lambda: bench.at_rate(ours, "Predict", offered).p99_ms,
            lambda: bench.at_rate(floor, "Predict", offered).p99_ms,
            bench.pairs,
        )
    )
    return rows


def compare_metrics(bench: Bench, shown: Running, plain: Running) -> list[Row]:
    """Compares a server that shows its metrics with one that does not."""
    claim = "Predict, 64 in flight, metrics on to off"
    return [
        compare(
            claim,
            "calls/s",
            lambda: bench.rate(shown, "Predict", 64),
            lambda: bench.rate(plain, "Predict", 64),
            bench.pairs,
        ),
        compare(
            f"{claim}: processor time",
            "µs/call",
            lambda: bench.cpu_us(shown, "Predict", 64),
            lambda: bench.cpu_us(plain, "Predict", 64),
            bench.pairs,
        ),
    ]


def compare_workers(bench: Bench, one: Running, two: Running) -> list[Row]:
    """Compares two workers with one, over eight connections.

    They share the cores with the load generator, which wants one for itself. So they are compared a second
    time with each worker stopped for more than half of the time and never both running: that shows that the
    second adds its share, not what two at once would cost each other.
    """

    def held_rate(server: Running) -> float:
        with held(servers.workers_of(server.pid), _HELD_SHARE):
            return bench.rate(server, "Predict", 64)

    def free_rate(server: Running) -> float:
        return bench.rate(server, "Predict", 64)

    claim = "Predict, 64 in flight over 8 connections, 2 workers to 1"
    return [
        compare(text, "calls/s", partial(rate, two), partial(rate, one), bench.pairs)
        for text, rate in (
            (claim, free_rate),
            (f"{claim}, each held to {_HELD_SHARE:.0%} of a core", held_rate),
        )
    ]


def measure_rankings(bench: Bench, ours: Running) -> dict[str, float]:
    """Returns how many tracks a second one caller has ranked, and how long a catalogue takes."""
    figures = {}
    for name, tracks in (
        ("RankTracks 500", 500),
        ("RankTracks 500, top 20", 500),
        ("RankTracks catalogue, top 50", 0),
    ):
        loads = [
            h2load.drive(
                ours.address,
                SERVICE + "RankTracks",
                bench.requests[name],
                in_flight=1,
                seconds=bench.seconds,
            )
            for _ in range(bench.pairs)
        ]
        rate = statistics.median(load.calls_per_s for load in loads)
        figures[f"{name}: {'tracks/s' if tracks else 'ms'}"] = rate * tracks if tracks else 1000 / rate
    return figures


def requests_for(data: Path) -> dict[str, Message]:
    """Returns what is asked, by method and variant."""
    track_ids = read_catalogue(data).track_ids
    queue = track_ids[:500]
    return {
        "Predict": pb.PredictRequest(track_id=track_ids[5], favourite_genres=_GENRES),
        "PredictRandom": pb.PredictRandomRequest(
            track_id=track_ids[5], favourite_genres=_GENRES, listener_id="101"
        ),
        "RankTracks 500": pb.RankTracksRequest(track_ids=queue, favourite_genres=_GENRES),
        "RankTracks 500, top 20": pb.RankTracksRequest(track_ids=queue, favourite_genres=_GENRES, top_k=20),
        "RankTracks catalogue, top 50": pb.RankTracksRequest(favourite_genres=_GENRES, top_k=50),
    }


@app.command(epilog="Example: python -m benchmarks.serving --data ../shared/data/v2 --json serving.json")
def serving(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    models: Annotated[Path | None, typer.Option(help="Model registry; trained anew when not given.")] = None,
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of one measurement, in seconds.")] = 3.0,
    pairs: Annotated[int, typer.Option(min=1, help="How many pairs a ratio is the median of.")] = 5,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON; - is stdout.")
    ] = None,
) -> None:
    """Measures our server, the bare transport and MLServer in turns."""
    console = Console(stderr=json_file == Path("-"))
    if not h2load.is_installed():
        print("skipped: h2load is not installed (Debian: apt-get install nghttp2-client)", file=sys.stderr)
        return
    try:
        requests = requests_for(data)
        with TemporaryDirectory() as folder:
            registry = models or _train(data, Path(folder) / "models")
            rows, figures = measure(data, registry, Path(folder), Bench(seconds, pairs, requests))
    except (DataError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    console.print(as_table(rows))
    for name, value in figures.items():
        console.print(f"{name}: {value:,.1f}")
    text = json.dumps(
        {"dataset": str(data), "rows": [asdict(row) for row in rows], "figures": figures}, indent=2
    )
    if json_file == Path("-"):
        print(text)
    elif json_file is not None:
        json_file.write_text(text + "\n")


def measure(data: Path, models: Path, folder: Path, bench: Bench) -> tuple[list[Row], dict[str, float]]:
    """Starts the servers, and measures all that there is to measure."""
    with ExitStack() as stack:
        floor = stack.enter_context(servers.running([sys.executable, "-m", "benchmarks.load.floor_server"]))
        command = servers.our_server(data, models, folder)
        with servers.running(command, PLAYTHROUGH_VAR_DIR=str(folder / "one")) as ours:
            rows = compare_with_floor(bench, ours, floor)
            figures = measure_rankings(bench, ours)
            figures["ready after, s"] = ours.ready_s
            figures["resident memory, MB"] = servers.resident_mb(ours.pid)
            with swap.swapping(data, models, folder) as swapped:
                rows += compare_metrics(bench, swapped.server, ours)
                row, swaps = swapped.compare(bench, int(rows[2].ours * 0.5))
                rows.append(row)
                figures |= swaps
            rows += peers.compare_with_mlserver(bench, ours)
            two = servers.our_server(data, models, folder, workers=2)
            with servers.running(two, PLAYTHROUGH_VAR_DIR=str(folder / "two")) as pair:
                wide = Bench(bench.seconds, bench.pairs, bench.requests, connections=8)
                rows += compare_workers(wide, ours, pair)
                rows += [compare_rates(bench, "PredictRandom", ours, floor, n) for n in (1, 8, 64)]
                rows.append(compare_sustained(bench, ours, floor))
                memory = [servers.resident_mb(pid) for pid in servers.workers_of(pair.pid)]
                figures["resident memory, MB a worker"] = max(memory)
    return rows, figures


def _train(data: Path, models: Path) -> Path:
    command = [sys.executable, "-m", "trainer", "--data", str(data), "--models", str(models)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return models


if __name__ == "__main__":
    app()
