"""Speed of the server beside the bare transport, and beside MLServer where it is installed.

Needs h2load (Debian: nghttp2-client). Every figure is a ratio of two servers on this machine that were
measured in turns: the median of at least five pairs, with the lowest and the highest.

Example: python -m benchmarks.serving --data ../shared/data/v2 --models models/registry --json serving.json
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from google.protobuf.message import Message
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.load import h2load, peers, servers
from benchmarks.load.servers import Running
from data import DataError, read_catalogue
from playthrough.v1 import prediction_service_pb2 as pb

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_SERVICE = "playthrough.v1.PredictionService/"
_GENRES = ("rock", "pop", "polish rock")


@dataclass(frozen=True, slots=True)
class Row:
    """Two servers, compared.

    Attributes:
        claim: What is compared.
        unit: Unit of both values.
        ours: Our median.
        other: The other's median.
        ratio: Median of ours / other over the pairs.
        lowest: Lowest ratio.
        highest: Highest ratio.
        pairs: How many pairs.
    """

    claim: str
    unit: str
    ours: float
    other: float
    ratio: float
    lowest: float
    highest: float
    pairs: int


def compare(claim: str, unit: str, ours: Callable[[], float], other: Callable[[], float], pairs: int) -> Row:
    """Measures two things in turns."""
    found = [(other(), ours()) for _ in range(pairs)]
    ratios = [mine / theirs for theirs, mine in found]
    return Row(
        claim,
        unit,
        statistics.median(mine for _, mine in found),
        statistics.median(theirs for theirs, _ in found),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        pairs,
    )


@dataclass(frozen=True, slots=True)
class Bench:
    """What all comparisons need: how long to measure, how often, and what to ask."""

    seconds: float
    pairs: int
    requests: dict[str, Message]
    connections: int = 1

    def rate(self, server: Running, name: str, in_flight: int, method: str = "") -> float:
        """Returns answered calls a second."""
        load = h2load.drive(
            server.address,
            method or _SERVICE + name.partition(" ")[0],
            self.requests[name],
            in_flight=in_flight,
            seconds=self.seconds,
            connections=self.connections if in_flight > 1 else 1,
        )
        if load.failed or not load.calls:
            raise RuntimeError(f"{name}: {load.failed} calls failed, {load.calls} were answered")
        return load.calls_per_s

    def cpu_us(self, server: Running, name: str, in_flight: int) -> float:
        """Returns processor time a call, in microseconds; contention distorts it less than a rate."""
        before = server.cpu_s()
        load = h2load.drive(
            server.address,
            _SERVICE + name,
            self.requests[name],
            in_flight=in_flight,
            seconds=self.seconds,
            connections=self.connections,
        )
        return (server.cpu_s() - before) / (load.calls * (1 + 1 / self.seconds)) * 1e6

    def p99_ms(self, server: Running, name: str, rate_per_s: int) -> float:
        """Returns the 99th percentile of latency at an offered load, in milliseconds."""
        return h2load.drive(
            server.address,
            _SERVICE + name,
            self.requests[name],
            in_flight=64,
            seconds=self.seconds,
            rate_per_s=rate_per_s,
        ).p99_ms


def compare_rates(bench: Bench, name: str, ours: Running, floor: Running, in_flight: int) -> Row:
    """Compares calls a second of a method with the bare transport's."""
    return compare(
        f"{name}, {in_flight} in flight, to the floor",
        "calls/s",
        lambda: bench.rate(ours, name, in_flight),
        lambda: bench.rate(floor, "Predict", in_flight),
        bench.pairs,
    )


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
            lambda: bench.p99_ms(ours, "Predict", offered),
            lambda: bench.p99_ms(floor, "Predict", offered),
            bench.pairs,
        )
    )
    return rows


def compare_workers(bench: Bench, one: Running, two: Running) -> Row:
    """Compares two workers with one, over eight connections."""
    return compare(
        "Predict, 64 in flight over 8 connections, 2 workers to 1",
        "calls/s",
        lambda: bench.rate(two, "Predict", 64),
        lambda: bench.rate(one, "Predict", 64),
        bench.pairs,
    )


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
                _SERVICE + "RankTracks",
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
    console.print(_table(rows))
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
            rows += peers.compare(bench, compare, ours)
            two = servers.our_server(data, models, folder, workers=2)
            with servers.running(two, PLAYTHROUGH_VAR_DIR=str(folder / "two")) as pair:
                wide = Bench(bench.seconds, bench.pairs, bench.requests, connections=8)
                rows.append(compare_workers(wide, ours, pair))
                # Last: delivery to MongoDB goes on for a while.
                rows += [compare_rates(bench, "PredictRandom", ours, floor, n) for n in (1, 8, 64)]
                memory = [servers.resident_mb(pid) for pid in servers.workers_of(pair.pid)]
                figures["resident memory, MB a worker"] = max(memory)
    return rows, figures


def _train(data: Path, models: Path) -> Path:
    command = [sys.executable, "-m", "trainer", "--data", str(data), "--models", str(models)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return models


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for heading in ("", "ours", "other", "unit", "ratio", "lowest to highest"):
        table.add_column(heading, justify="left" if heading in ("", "unit") else "right")
    for row in rows:
        table.add_row(
            row.claim,
            f"{row.ours:,.1f}",
            f"{row.other:,.1f}",
            row.unit,
            f"{row.ratio:.2f}",
            f"{row.lowest:.2f} to {row.highest:.2f}",
        )
    return table


if __name__ == "__main__":
    app()
