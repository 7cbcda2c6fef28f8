"""Speed of the server beside the bare transport, and beside MLServer where it is installed.

Needs h2load (Debian: nghttp2-client). Every figure is a ratio of two servers on this machine that were
measured in turns: the median of at least five pairs, with the lowest and the highest.

Example: python -m benchmarks.serving --data ../shared/data/v2 --models models/registry --json serving.json
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from google.protobuf.message import Message
from rich.console import Console

from benchmarks.load import h2load, servers, swap
from benchmarks.load.comparing import Bench, Row
from benchmarks.load.servers import Running
from data import DataError, read_catalogue
from playthrough.v1 import prediction_service_pb2 as pb

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_SUSTAINED_S = 36.0
_GENRES = ("rock", "pop", "polish rock")
_MLSERVER_PYTHON = Path(".bench-venv/bin/python")  # made by `make bench-peers`
_MLSERVER_METHOD = "inference.GRPCInferenceService/ModelInfer"

Figure = tuple[str, float]
"""What is measured, with its unit, and its value."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What every part needs.

    Attributes:
        data: Folder of the data set.
        models: Model registry.
        folder: Where the servers may write.
        bench: How to measure.
    """

    data: Path
    models: Path
    folder: Path
    bench: Bench

    def ours(self) -> AbstractContextManager[Running]:
        """Runs our server for the duration of a block."""
        command = servers.our_server(self.data, self.models)
        return servers.running(command, PLAYTHROUGH_VAR_DIR=str(self.folder / "var"))

    def floor(self) -> AbstractContextManager[Running]:
        """Runs the bare transport for the duration of a block."""
        return servers.running([sys.executable, "-m", "benchmarks.load.floor_server"])


def predict(setup: Setup) -> Iterator[Row]:
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


def predict_random(setup: Setup) -> Iterator[Row]:
    """Compares logged predictions with the bare transport's unlogged ones."""
    bench = setup.bench
    with setup.floor() as floor, setup.ours() as ours:
        for in_flight in (1, 8, 64):
            yield compare_rates(bench, "PredictRandom", ours, floor, in_flight)


def sustained(setup: Setup) -> Iterator[Row]:
    """Compares calls that are logged for so long that delivery to MongoDB takes its full share."""
    bench = setup.bench
    with setup.floor() as floor, setup.ours() as ours:

        def our_rate() -> float:
            rate = bench.rate_at_the_end(ours, "PredictRandom", 64, _SUSTAINED_S)
            ours.settle()
            return rate

        claim = f"PredictRandom, 64 in flight for {_SUSTAINED_S:.0f} s, last third, to the floor"
        yield bench.compare(claim, "calls/s", our_rate, lambda: bench.rate(floor, "Predict", 64))


def rankings(setup: Setup) -> Iterator[Figure]:
    """Measures what one caller gets ranked, the start, and the memory after."""
    bench = setup.bench
    with setup.ours() as ours:
        for name, tracks in (
            ("RankTracks 500", 500),
            ("RankTracks 500, top 20", 500),
            ("RankTracks catalogue, top 50", 0),
        ):
            rate = statistics.median(bench.rate(ours, name, 1) for _ in range(bench.pairs))
            yield (f"{name}: tracks/s", rate * tracks) if tracks else (f"{name}: ms", 1000 / rate)
        yield "ready after, s", ours.ready_s
        yield "resident memory, MB", servers.resident_mb(ours.pid)


def metrics(setup: Setup) -> Iterator[Row]:
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


def mlserver(setup: Setup) -> Iterator[Row]:
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


PARTS: dict[str, Callable[[Setup], Iterator[Row | Figure]]] = {
    "predict": predict,
    "rankings": rankings,
    "metrics": metrics,
    "new-version": new_version,
    "mlserver": mlserver,
    "predict-random": predict_random,
    "sustained": sustained,
}


def compare_rates(bench: Bench, name: str, ours: Running, floor: Running, in_flight: int) -> Row:
    """Compares calls a second of a method with the bare transport's; whoever is measured has the machine."""

    def our_rate() -> float:
        rate = bench.rate(ours, name, in_flight)
        if name != "Predict":
            ours.settle()  # what was logged is on its way to MongoDB for some seconds more
        return rate

    claim = f"{name}, {in_flight} in flight, to the floor"
    return bench.compare(claim, "calls/s", our_rate, lambda: bench.rate(floor, "Predict", in_flight))


def requests_for(data: Path) -> dict[str, Message]:
    """Returns what is asked, by method and variant."""
    track_ids = read_catalogue(data).track_ids
    track_id, queue = track_ids[5], track_ids[:500]
    return {
        "Predict": pb.PredictRequest(track_id=track_id, favourite_genres=_GENRES),
        "PredictRandom": pb.PredictRandomRequest(
            track_id=track_id, favourite_genres=_GENRES, listener_id="101"
        ),
        "RankTracks 500": pb.RankTracksRequest(track_ids=queue, favourite_genres=_GENRES),
        "RankTracks 500, top 20": pb.RankTracksRequest(track_ids=queue, favourite_genres=_GENRES, top_k=20),
        "RankTracks catalogue, top 50": pb.RankTracksRequest(favourite_genres=_GENRES, top_k=50),
    }


@app.command(epilog="Example: python -m benchmarks.serving --data ../shared/data/v2 --only predict")
def serving(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    models: Annotated[Path | None, typer.Option(help="Model registry; trained anew when not given.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help=f"Measure this part alone: {', '.join(PARTS)}.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of one measurement, in seconds.")] = 3.0,
    pairs: Annotated[int, typer.Option(min=1, help="How many pairs a ratio is the median of.")] = 5,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON; - is stdout.")
    ] = None,
) -> None:
    """Measures our server, the bare transport and MLServer in turns, and prints each figure as it comes."""
    console = Console(stderr=json_file == Path("-"), highlight=False)
    unknown = set(only or ()) - PARTS.keys()
    if unknown:
        raise typer.BadParameter(f"no such part: {', '.join(sorted(unknown))}", param_hint="--only")
    if not h2load.is_installed():
        print("skipped: h2load is not installed (Debian: apt-get install nghttp2-client)", file=sys.stderr)
        return
    rows: list[Row] = []
    figures: dict[str, float] = {}
    try:
        bench = Bench(seconds, pairs, requests_for(data))
        with TemporaryDirectory() as folder:
            registry = models or _train(data, Path(folder) / "models")
            for name in only or PARTS:
                (part_folder := Path(folder) / name).mkdir()
                for result in PARTS[name](Setup(data, registry, part_folder, bench)):
                    if isinstance(result, Row):
                        rows.append(result)
                        console.print(str(result), soft_wrap=True)
                    else:
                        figures[result[0]] = result[1]
                        console.print(f"{result[0]}: {result[1]:,.1f}", soft_wrap=True)
    except (DataError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    results = {"dataset": str(data), "rows": [asdict(row) for row in rows], "figures": figures}
    text = json.dumps(results, indent=2)
    if json_file == Path("-"):
        print(text)
    elif json_file is not None:
        json_file.write_text(text + "\n")


def _train(data: Path, models: Path) -> Path:
    command = [sys.executable, "-m", "trainer", "--data", str(data), "--models", str(models)]
    subprocess.run([*command, "--split", "temporal"], check=True, stdout=subprocess.DEVNULL)
    return models


if __name__ == "__main__":
    app()
