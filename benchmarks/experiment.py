"""What the experiment log costs and keeps, and how often its report errs.

`spool`: records a second that the spool puts on disk, in groups as large as concurrent calls make them,
beside SQLite alone on the same rows and groups. `outage`: PredictRandom's latency with MongoDB there and
stopped, in turns, and how soon after all is there. `aa`: how often 1,000 experiments without a difference,
read every day, claim one.
"""

import asyncio
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Part(StrEnum):
    """What can be measured."""

    spool = "spool"
    outage = "outage"
    aa = "aa"


@app.command()
def main(
    data: Annotated[Path, typer.Option(help="Folder of the data set that is served during the outage.")],
    part: Annotated[list[Part] | None, typer.Option(help="What to measure; all by default.")] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of runs; a claim needs at least 5.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of each spool measurement.")] = 2.0,
    outage_seconds: Annotated[float, typer.Option(min=1.0, help="How long MongoDB is away.")] = 60.0,
    rate: Annotated[float, typer.Option(min=1.0, help="Calls a second during the outage.")] = 100.0,
    experiments: Annotated[int, typer.Option(min=1, help="Experiments without a difference.")] = 1000,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON; - is stdout.")
    ] = None,
) -> None:
    """Measure the experiment log.

    Example: python -m benchmarks.experiment --data data/sample --part spool
    """
    parts = part or list(Part)
    results: dict[str, Any] = {}
    if Part.spool in parts:
        from benchmarks.experiment_log.spool import bench_spool

        results["spool"] = bench_spool(pairs, seconds)
    if Part.outage in parts:
        from benchmarks.experiment_log.outage import bench_outage

        results["outage"] = asyncio.run(bench_outage(data, pairs, outage_seconds, rate))
    if Part.aa in parts:
        results["aa"] = bench_aa(experiments)
    if json_file == Path("-"):
        typer.echo(json.dumps(results, indent=2))
        return
    Console().print_json(data=results)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def bench_aa(times: int) -> dict[str, Any]:
    """Reads experiments without a difference every day for 28 days."""
    from tests.server.report.test_comparisons import peeked_p_value

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


if __name__ == "__main__":
    app()
