"""Our planners in the short-video challenge of ACM Multimedia 2022, a test that others wrote.

Simulator, data and scoring are the challenge's own, read from its folder and run in a mended copy
(`benchmarks/challenge/checkout.py`). Rules and constants were chosen on the traces of even numbers and the
first six users; the traces of odd numbers are reported apart.
"""

import json
import multiprocessing
import queue
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.challenge.checkout import NotTheChallenge, mended_copy
from benchmarks.challenge.figures import HALVES, figures, goals, table
from benchmarks.challenge.session import ALGORITHMS, N_TRACES, NETWORKS, Row, sessions

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_EACH_S = 1.0
_WIDTH = 120

Job = tuple[Path, str, str, int, int]
"""The challenge's folder, an algorithm, a network, how many users, how many traces."""


@app.command(
    epilog="Example: python -m benchmarks.short_video --challenge ../challenge --json short_video.json"
)
def short_video(
    challenge: Annotated[Path, typer.Option(help="Folder of the challenge's repository.")],
    users: Annotated[int, typer.Option(min=1, max=1001, help="How many users.")] = 20,
    traces: Annotated[int, typer.Option(min=1, max=N_TRACES, help="Traces of each network.")] = N_TRACES,
    only: Annotated[str | None, typer.Option(help=f"One algorithm: {', '.join(ALGORITHMS)}.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes; each takes an algorithm on a network.")] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write figures and sessions as JSON.")
    ] = None,
) -> None:
    """Compares our planners with the challenge's own two algorithms, by its score."""
    if only is not None and only not in ALGORITHMS:
        raise typer.BadParameter(f"there are: {', '.join(ALGORITHMS)}", param_hint="--only")
    try:
        with mended_copy(challenge, NETWORKS[0]):
            pass
    except NotTheChallenge as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    jobs: list[Job] = [
        (challenge.resolve(), algorithm, network, users, traces)
        for algorithm in ([only] if only else ALGORITHMS)
        for network in NETWORKS
    ]
    console, rows = Console(), list[Row]()
    console.width = max(console.width, _WIDTH)
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("sessions", total=len(jobs) * users * traces)
        for row in played(jobs, workers):
            rows.append(row)
            progress.advance(bar)
            mine = [it for it in rows if (it.algorithm, it.network) == (row.algorithm, row.network)]
            if len(mine) == users * traces:
                score = sum(it.score for it in mine) / len(mine)
                progress.console.print(f"{row.algorithm}, {row.network}: {score:.2f}", highlight=False)
                if json_file is not None:
                    write(json_file, rows)
    found = figures(rows)
    for part in HALVES:
        console.print(table(found, part))
    for promise, measured, met in goals(found, "chunk_planner"):
        console.print(f"{'met    ' if met else 'NOT MET'} {promise}: {measured}", highlight=False)


def write(file: Path, rows: Sequence[Row]) -> None:
    """Writes the figures and the sessions so far."""
    found = {"figures": figures(rows), "sessions": [asdict(it) for it in rows]}
    file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def played(jobs: Sequence[Job], workers: int) -> Iterator[Row]:
    """Yields the sessions as they end; each job takes a process of its own, as `run.py` asks for.

    Raises:
        RuntimeError: A job failed.
    """
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(workers, maxtasksperchild=1) as pool:
        done: queue.Queue[Row] = manager.Queue()
        results = [pool.apply_async(play, (job, done)) for job in jobs]
        left = sum(users * traces for *_, users, traces in jobs)
        while left:
            try:
                yield done.get(timeout=_EACH_S)
                left -= 1
            except queue.Empty:
                for failed in (it for it in results if it.ready()):
                    failed.get()


def play(job: Job, done: "queue.Queue[Row]") -> None:
    """Runs a job, and sends each session as it ends."""
    folder, algorithm, network, users, traces = job
    for row in sessions(folder, algorithm, network, range(users), range(traces)):
        done.put(row)


if __name__ == "__main__":
    app()
