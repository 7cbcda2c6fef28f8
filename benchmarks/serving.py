"""Speed of the server beside the bare transport, and beside MLServer where it is installed.

Needs h2load (Debian: nghttp2-client). Every figure is a ratio of two servers on this machine that were
measured in turns: the median of at least five pairs, with the lowest and the highest.

The parts are in `benchmarks/load/`. Example:
python -m benchmarks.serving --data ../shared/data/v2 --models models/registry --json serving.json
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.load import h2load, servers
from benchmarks.load.comparing import Bench, Row
from benchmarks.load.logged import beside_delivery, predict_random, sustained
from benchmarks.load.outage import outage
from benchmarks.load.secured import tls
from benchmarks.load.setup import Figure, Setup, requests_for
from benchmarks.load.unlogged import metrics, mlserver, new_version, predict, rankings, workers
from data import DataError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

PARTS: dict[str, Callable[[Setup], Iterator[Row | Figure]]] = {
    "predict": predict,
    "rankings": rankings,
    "workers": workers,
    "metrics": metrics,
    "tls": tls,
    "new-version": new_version,
    "mlserver": mlserver,
    "predict-random": predict_random,
    "beside-delivery": beside_delivery,
    "sustained": sustained,
    "outage": outage,
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
    """Measures our server, the bare transport and MLServer in turns, and prints each figure as it comes.

    All of it takes about an hour.
    """
    console = Console(stderr=json_file == Path("-"), highlight=False)
    unknown = set(only or ()) - PARTS.keys()
    if unknown:
        raise typer.BadParameter(f"no such part: {', '.join(sorted(unknown))}", param_hint="--only")
    if not h2load.is_installed():
        print("skipped: h2load is not installed (Debian: apt-get install nghttp2-client)", file=sys.stderr)
        return
    results = _Results(data, console)
    try:
        with _progress() as progress, TemporaryDirectory() as folder:
            bench = Bench(seconds, pairs, requests_for(data), progress)
            registry = models or train(data, Path(folder) / "models", progress)
            for name in only or PARTS:
                (part_folder := Path(folder) / name).mkdir()
                for result in PARTS[name](Setup(data, registry, part_folder, bench)):
                    results.add(result)
    except (DataError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    finally:  # an hour's results are not lost with the last part's
        if json_file is not None:
            results.write(json_file)


class _Results:
    """What was measured, printed as it comes."""

    def __init__(self, data: Path, console: Console) -> None:
        """Begins with the machine."""
        self._console = console
        self._data, self._processor = str(data), servers.processor()
        self._rows: list[Row] = []
        self._figures: dict[str, float] = {}
        console.print(f"processor: {self._processor}", soft_wrap=True)

    def add(self, result: Row | Figure) -> None:
        """Adds and prints a row or a figure."""
        if isinstance(result, Row):
            self._rows.append(result)
            self._console.print(str(result), soft_wrap=True)
        else:
            name, value = result
            self._figures[name] = value
            self._console.print(f"{name}: {value:,.1f}", soft_wrap=True)

    def write(self, path: Path) -> None:
        """Writes all of it as JSON; - is stdout."""
        rows = [asdict(row) for row in self._rows]
        results = {
            "dataset": self._data,
            "processor": self._processor,
            "rows": rows,
            "figures": self._figures,
        }
        text = json.dumps(results, indent=2)
        if path == Path("-"):
            print(text)
        else:
            path.write_text(text + "\n")


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Yields what shows what is measured next: in one line of a terminal, as plain lines elsewhere."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda text: console.print(f"… {text}", soft_wrap=True, markup=False)
        return
    with console.status("starts") as status:
        yield lambda text: status.update(text)


def train(data: Path, models: Path, progress: Callable[[str], None]) -> Path:
    """Trains all models into a new registry and returns it; tells what it does."""
    progress("trains the models")
    command = [sys.executable, "-m", "trainer", "--data", str(data), "--models", str(models)]
    subprocess.run([*command, "--split", "temporal"], check=True, stdout=subprocess.DEVNULL)
    return models


if __name__ == "__main__":
    app()
