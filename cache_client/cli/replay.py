"""`python -m cache_client replay`."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cache_client.cli.console import (
    STANDARD_OUTPUT,
    check_writable,
    load_settings,
    one_line_errors,
    progress_bar,
    write_json,
)
from cache_client.cli.options import Data, Holdout, JsonFile, Lenient, Server
from cache_client.rpc.client import PredictionClient
from cache_client.settings import CacheClientSettings

if TYPE_CHECKING:
    from cache_client.replay.traffic import TrafficReport


def replay(
    data: Data = None,
    server: Server = None,
    limit: Annotated[int | None, typer.Option(min=1, help="How many plays to send at most.")] = None,
    holdout: Holdout = 0.2,
    json_file: JsonFile = None,
    lenient: Lenient = False,
) -> None:
    """Send recorded plays as live traffic: PredictRandom each, then RecordOutcome with the truth.

    Every prediction lands in the server's experiment log, for `python -m server report` to judge.
    """
    with one_line_errors():
        check_writable(json_file)
        settings = load_settings()
        target = server or settings.server
        directory = data or settings.data_directory
        report = asyncio.run(_send(settings, directory, lenient, target, holdout, limit))
        if json_file != STANDARD_OUTPUT:
            _show(report)
        write_json(_to_json(report), json_file)


async def _send(
    settings: CacheClientSettings, data: Path, lenient: bool, target: str, holdout: float, limit: int | None
) -> "TrafficReport":
    from cache_client.replay.traffic import replay_traffic
    from cache_client.simulator import held_out
    from data import plays, print_repairs, read_dataset

    dataset = read_dataset(data, lenient=lenient)
    print_repairs(dataset.repairs)
    recorded = plays(dataset)
    total = min(len(held_out(recorded, holdout)), limit or len(recorded))
    async with PredictionClient(
        target, deadline_s=settings.deadline_s, connections=settings.connections
    ) as client:
        with progress_bar("plays", total) as advance:
            return await replay_traffic(
                client,
                recorded,
                holdout=holdout,
                limit=limit,
                concurrency=settings.concurrency,
                advance=advance,
            )


def _to_json(report: "TrafficReport") -> dict[str, Any]:
    models = [
        {"model": model, "version": version, "n": n, "accuracy": report.right[model, version] / n}
        for (model, version), n in sorted(report.n.items())
    ]
    return {"plays": report.plays, "unknown_tracks": report.unknown_tracks, "models": models}


def _show(report: "TrafficReport") -> None:
    console = Console()
    console.print(f"{report.plays:,} plays sent, {report.unknown_tracks:,} of tracks unknown to the server")
    table = Table()
    table.add_column("model")
    for heading in ("version", "n", "accuracy"):
        table.add_column(heading, justify="right")
    for row in _to_json(report)["models"]:
        table.add_row(row["model"], row["version"], f"{row['n']:,}", f"{row['accuracy']:.3f}")
    console.print(table)
