"""What the experiment log costs: to append a record, to share the spool among workers, to deliver by Beanie.

Three parts, each a ratio of two ways on the same rows, measured in turns (`--only` runs one of them):

- `spool`: records a second that one process puts on disk, beside SQLite alone in groups as large. How long
  the disk takes for a commit bounds the wall clock; the processor's time is ours.
- `workers`: records a second, and how long one waits, of 1, 2 and 4 processes that share the spool file,
  beside as many that have one each.
- `beanie`: the processor's time of the delivery process a document, by Beanie and by the driver alone, and
  the database's; to insert, to join outcomes, and to read.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from benchmarks.log_load import beanie_cost, sharing, spool_rate

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

CALLERS = (16, 64, 256, 1000)
"""How many callers wait at the same time; 1,000 is what a worker takes (`PLAYTHROUGH_MAX_IN_FLIGHT`)."""

WORKERS = (1, 2, 4)
Figures = dict[str, float | str]


@app.command(epilog="Example: python -m benchmarks.experiment --only workers")
def main(
    data: Annotated[Path | None, typer.Option(help="Not read: what is logged is made up.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="A part: spool, workers or beanie.")] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of runs; a claim needs at least 5.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of each measurement.")] = 2.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON; - is stdout.")
    ] = None,
) -> None:
    """Measure what the experiment log costs."""
    parts: dict[str, Callable[[int, float], list[Figures]]] = {
        "spool": _spool,
        "workers": _workers,
        "beanie": _beanie,
    }
    if unknown := set(only or ()) - parts.keys():
        raise typer.BadParameter(f"no part {', '.join(sorted(unknown))}", param_hint="--only")
    results = {name: part(pairs, seconds) for name, part in parts.items() if not only or name in only}
    text = json.dumps(results, indent=2) + "\n"
    if json_file == Path("-"):
        print(text, end="")
    elif json_file is not None:
        json_file.write_text(text, encoding="utf-8")


def _spool(pairs: int, seconds: float) -> list[Figures]:
    """Compares the spool with SQLite alone, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    rows = []
    for callers in CALLERS:
        runs = []
        for folder in _folders(pairs, f"spool, {callers} callers"):
            ours = asyncio.run(spool_rate.spool(folder / "ours", callers, seconds))
            bare = spool_rate.sqlite(folder / "bare", round(ours.group), seconds)
            runs.append((ours, bare, spool_rate.syncs_per_s(folder)))
        rows.append(
            _shown(
                "spool",
                {
                    "callers": callers,
                    "records_per_commit": statistics.median(ours.group for ours, *_ in runs),
                    "records_per_s": statistics.median(ours.wall for ours, *_ in runs),
                    "records_per_cpu_s": statistics.median(ours.cpu for ours, *_ in runs),
                    "sqlite_records_per_s": statistics.median(bare for _, bare, _ in runs),
                    **_ratio([ours.wall / bare for ours, bare, _ in runs]),
                    "disk_syncs_per_s": statistics.median(syncs for *_, syncs in runs),
                },
            )
        )
    os.sched_setaffinity(0, before)
    return rows


def _workers(pairs: int, seconds: float) -> list[Figures]:
    """Compares workers that share a spool file with workers that have one each."""
    rows = []
    for workers in WORKERS:
        for callers in (1, 64):
            runs = []
            for folder in _folders(pairs, f"{workers} workers, {callers} callers each"):
                shared = sharing.run(folder / "shared", workers, callers, seconds, shared=True)
                own = sharing.run(folder / "own", workers, callers, seconds, shared=False)
                runs.append((shared, own))
            rows.append(
                _shown(
                    "workers",
                    {
                        "workers": workers,
                        "callers": callers,
                        "shared_records_per_s": statistics.median(shared.rate for shared, _ in runs),
                        "own_records_per_s": statistics.median(own.rate for _, own in runs),
                        **_ratio([shared.rate / own.rate for shared, own in runs]),
                        "shared_p99_ms": statistics.median(shared.p99_ms for shared, _ in runs),
                        "own_p99_ms": statistics.median(own.p99_ms for _, own in runs),
                    },
                )
            )
    return rows


def _beanie(pairs: int, _seconds: float) -> list[Figures]:
    """Compares Beanie with the driver alone."""
    costs = []
    for folder in _folders(pairs, "beanie"):
        costs.append(asyncio.run(beanie_cost.measure(folder)))
    rows = []
    for operation in costs[0]:
        runs = [cost[operation] for cost in costs]
        rows.append(
            _shown(
                "beanie",
                {
                    "operation": operation,
                    "beanie_us": statistics.median(run.beanie_us for run in runs),
                    "driver_us": statistics.median(run.driver_us for run in runs),
                    **_ratio([run.beanie_us / run.driver_us for run in runs]),
                    "database_us": statistics.median(run.database_us for run in runs),
                },
            )
        )
    return rows


def _folders(pairs: int, label: str) -> Any:
    """Yields a folder of its own for each pair of runs, with progress on standard error."""
    for _ in track(range(pairs), label, transient=True, console=Console(stderr=True)):
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)


def _ratio(ratios: list[float]) -> dict[str, float]:
    return {"ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios)}


def _shown(part: str, figures: Figures) -> Figures:
    """Prints a row as it comes; returns it."""
    shown = ", ".join(
        f"{name} {value:,.2f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in figures.items()
    )
    print(f"{part}: {shown}", file=sys.stderr, flush=True)
    return figures


if __name__ == "__main__":
    app()
