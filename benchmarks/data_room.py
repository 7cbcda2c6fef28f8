"""Speed of reading, transforming, validating and generating data sets, beside reading line by line.

Every reading is a process of its own, ours and the line-by-line one in turn; neither warms the other's
memory and each one's peak is its own. "again" is a second reading in the same process: the first one pays for
imports, which weigh in a small data set.

Example: python benchmarks/data_room.py --data ../shared/data/v2 --json data.json
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

Sample = dict[str, float]

_WHAT = {
    "read_s": "read",
    "total_s": "read and transform",
    "cpu_s": "the same, CPU time",
    "again_s": "read again",
    "peak_mib": "peak memory",
}

_OURS = "from data import read_dataset as read"
_LINE_BY_LINE = """
import json
import pandas as pd
from data import Dataset
def read(directory):
    tables = {}
    for name in ("artists", "tracks", "users", "track_storage", "sessions"):
        with open(directory / f"{name}.jsonl", encoding="utf-8") as file:
            tables[name] = pd.DataFrame([json.loads(line) for line in file])
    times = tables["sessions"]["timestamp"]
    tables["sessions"]["timestamp"] = pd.to_datetime(times, format="ISO8601").dt.as_unit("us")
    return Dataset(**tables, digest="")
"""
_MEASURE = """
import json, resource, sys, time
from pathlib import Path
from data import plays
start, cpu_start = time.perf_counter(), time.process_time()
dataset = read(Path(sys.argv[1]))
read_s = time.perf_counter() - start
n_plays = len(plays(dataset))
total_s = time.perf_counter() - start
cpu_s = time.process_time() - cpu_start
start = time.perf_counter()
if sys.argv[2] == "twice":
    read(Path(sys.argv[1]))
again_s = time.perf_counter() - start
peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
times = {"read_s": read_s, "total_s": total_s, "cpu_s": cpu_s, "again_s": again_s}
print(json.dumps({**times, "peak_mib": peak_mib, "plays": n_plays}))
"""


@app.command(epilog="Example: python benchmarks/data_room.py --data ../shared/data/v2 --json data.json")
def measure(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    plays: Annotated[int, typer.Option(min=1, help="Plays of the large generated data set.")] = 1_000_000,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of runs; a claim needs at least 5.")] = 5,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON; - is stdout.")
    ] = None,
) -> None:
    """Measures the data room on a data set and on a large generated one."""
    with TemporaryDirectory() as folder, Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("measuring", total=2 * pairs + 2)
        large = Path(folder) / "large"
        sizes = ["--listeners", "4000", "--tracks", "20000", "--plays", str(plays), "--seed", "42"]
        generate_s = _command_s("generate", "--out", str(large), *sizes)
        bar.advance(task)
        validate_s = _command_s("validate", str(large))
        bar.advance(task)
        readings = {
            data.name: _pairs(data, "twice", pairs, lambda: bar.advance(task)),
            f"{plays:,} plays": _pairs(large, "once", pairs, lambda: bar.advance(task)),
        }
    Console(stderr=json_file == Path("-")).print(
        _table(readings, generate_s, validate_s), f"load average {os.getloadavg()[0]:.1f}"
    )
    results = {"pairs": pairs, "plays": plays, "generate_s": generate_s, "validate_s": validate_s}
    text = json.dumps({**results, "readings": readings}, indent=2)
    if json_file == Path("-"):
        print(text)
    elif json_file is not None:
        json_file.write_text(text + "\n")


def _command_s(*arguments: str) -> float:
    """Returns how long a command of the data room takes, its start included."""
    start = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "data", *arguments], capture_output=True, text=True, check=False
    )
    if run.returncode:
        print(run.stdout, run.stderr, file=sys.stderr)
        raise typer.Exit(run.returncode)
    return time.perf_counter() - start


def _pairs(directory: Path, times: str, n: int, done: Callable[[], None]) -> dict[str, Any]:
    """Reads a data set by both readers in turn, and compares them pair by pair."""
    ours, lines = [], []
    for _ in range(n):
        ours.append(_reading(_OURS, directory, times))
        lines.append(_reading(_LINE_BY_LINE, directory, times))
        done()
    keys = ("read_s", "total_s", "cpu_s", "peak_mib", *(["again_s"] if times == "twice" else []))
    return {
        "ours": {key: _spread([sample[key] for sample in ours]) for key in keys},
        "line_by_line_over_ours": {
            key: _spread([b[key] / a[key] for a, b in zip(ours, lines, strict=True)]) for key in keys
        },
    }


def _reading(reader: str, directory: Path, times: str) -> Sample:
    run = subprocess.run(
        [sys.executable, "-c", reader + _MEASURE, str(directory), times],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        print(run.stderr.strip().splitlines()[-1], file=sys.stderr)
        raise typer.Exit(1)
    sample: Sample = json.loads(run.stdout)
    return sample


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def _table(readings: dict[str, Any], generate_s: float, validate_s: float) -> Table:
    table = Table(title="Data: median (min to max)", title_justify="left")
    for heading in ("what", "measured", "line by line / ours"):
        table.add_column(heading)
    for name, reading in readings.items():
        for key, what in _WHAT.items():
            if key in reading["ours"]:
                unit = " MiB" if key == "peak_mib" else " s"
                ours, ratio = reading["ours"][key], reading["line_by_line_over_ours"][key]
                table.add_row(f"{name}: {what}", _text(ours, unit), _text(ratio, "x"))
    table.add_row("generate the large one (once)", f"{generate_s:.1f} s", "")
    table.add_row("validate the large one (once)", f"{validate_s:.1f} s", "")
    return table


def _text(spread: dict[str, float], unit: str) -> str:
    digits = 0 if unit == " MiB" else 2
    median, lowest, highest = (f"{spread[key]:,.{digits}f}" for key in ("median", "min", "max"))
    return f"{median}{unit} ({lowest} to {highest})"


if __name__ == "__main__":
    app()
