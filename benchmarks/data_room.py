"""Speed and memory of generating, validating, reading and transforming data sets.

Reading is compared with reading line by line. Every command and every reading is a process of its own, ours
and the line-by-line one in turn; neither warms the other's memory and each one's peak is its own. "again" is
a second reading in the same process: the first one pays for imports, which weigh in a small data set.

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

_COMMAND_WHAT = {"wall_s": "", "cpu_s": ": CPU time", "peak_mib": ": peak memory"}

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
    """Measures the data package on a data set and on a large generated one."""
    with TemporaryDirectory() as folder, Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("measuring", total=3 * pairs)
        large = Path(folder) / "large"
        commands = _commands(large, plays, pairs, lambda: bar.advance(task))
        readings = {
            data.name: _pairs(data, "twice", pairs, lambda: bar.advance(task)),
            f"{plays:,} plays": _pairs(large, "once", pairs, lambda: bar.advance(task)),
        }
    Console(stderr=json_file == Path("-")).print(
        _table(readings, commands), f"load average {os.getloadavg()[0]:.1f}"
    )
    results = {"pairs": pairs, "plays": plays, "commands": commands, "readings": readings}
    text = json.dumps(results, indent=2)
    if json_file == Path("-"):
        print(text)
    elif json_file is not None:
        json_file.write_text(text + "\n")


def _commands(large: Path, plays: int, n: int, done: Callable[[], None]) -> dict[str, Any]:
    """Generates a large data set and validates it, in turn, n times; the data set stays."""
    sizes = ["--listeners", "4000", "--tracks", "20000", "--plays", str(plays), "--seed", "42"]
    samples: dict[str, list[Sample]] = {"generate": [], "validate": []}
    for _ in range(n):
        samples["generate"].append(_command("generate", "--out", str(large), *sizes))
        samples["validate"].append(_command("validate", str(large)))
        done()
    return {
        name: {key: _spread([sample[key] for sample in taken]) for key in taken[0]}
        for name, taken in samples.items()
    }


def _command(*arguments: str) -> Sample:
    """Returns what a command of the data package takes, its start included, and its peak memory."""
    start = time.perf_counter()
    with subprocess.Popen([sys.executable, "-m", "data", *arguments], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise typer.Exit(1)
    return {
        "wall_s": time.perf_counter() - start,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
    }


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


def _table(readings: dict[str, Any], commands: dict[str, Any]) -> Table:
    table = Table(title="Data: median (min to max)", title_justify="left")
    for heading in ("what", "measured", "line by line / ours"):
        table.add_column(heading)
    for name, reading in readings.items():
        for key, what in _WHAT.items():
            if key in reading["ours"]:
                unit = " MiB" if key == "peak_mib" else " s"
                ours, ratio = reading["ours"][key], reading["line_by_line_over_ours"][key]
                table.add_row(f"{name}: {what}", _text(ours, unit), _text(ratio, "x"))
    for name, command in commands.items():
        for key, what in _COMMAND_WHAT.items():
            unit = " MiB" if key == "peak_mib" else " s"
            table.add_row(f"{name} the large one{what}", _text(command[key], unit), "")
    return table


def _text(spread: dict[str, float], unit: str) -> str:
    digits = 0 if unit == " MiB" else 2
    median, lowest, highest = (f"{spread[key]:,.{digits}f}" for key in ("median", "min", "max"))
    return f"{median}{unit} ({lowest} to {highest})"


if __name__ == "__main__":
    app()
