"""`python -m cache_client replay`."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cache_client.cli.console import (
    STANDARD_OUTPUT,
    check_writable,
    one_line_errors,
    progress_bar,
    write_json,
)
from cache_client.cli.laboratory_client import settings_client
from cache_client.cli.options import (
    AllowRefitted,
    Data,
    Holdout,
    JsonFile,
    Lenient,
    Server,
    TlsCa,
    TlsCert,
    TlsKey,
    TokenFile,
)
from cache_client.settings import CacheClientSettings

if TYPE_CHECKING:
    import pandas as pd

    from cache_client.cli.seen_plays import ReplayedPlays
    from cache_client.replay.traffic import TrafficReport


def replay(
    data: Data = None,
    server: Server = None,
    limit: Annotated[int | None, typer.Option(min=1, help="How many plays to send at most.")] = None,
    holdout: Holdout = 0.2,
    json_file: JsonFile = None,
    allow_refitted: AllowRefitted = False,
    lenient: Lenient = False,
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    token_file: TokenFile = None,
) -> None:
    """Send recorded plays as live traffic: PredictRandom each, then RecordOutcome with the truth.

    Every prediction lands in the server's experiment log, for `python -m server report` to judge.
    """
    with one_line_errors():
        from cache_client.cli.seen_plays import ReplayedPlays
        from data import plays, print_repairs, read_dataset

        check_writable(json_file)
        settings = CacheClientSettings.load(
            server=server,
            data=data,
            client_tls_ca=tls_ca,
            client_tls_cert=tls_cert,
            client_tls_key=tls_key,
            client_token_file=token_file,
        )
        dataset = read_dataset(settings.data_directory, lenient=lenient)
        print_repairs(dataset.repairs)
        replayed = ReplayedPlays(dataset.digest, holdout, allow_refitted)
        report = asyncio.run(_send(settings, plays(dataset), replayed, limit))
        models = [
            {"model": model, "version": version, "n": n, "accuracy": report.right[model, version] / n}
            for (model, version), n in sorted(report.n.items())
        ]
        if json_file != STANDARD_OUTPUT:
            _show(report, models)
        counts = {"plays": report.plays, "unknown_tracks": report.unknown_tracks}
        write_json({**counts, "models": models}, json_file)


async def _send(
    settings: CacheClientSettings,
    recorded: "pd.DataFrame",
    replayed: "ReplayedPlays",
    limit: int | None,
) -> "TrafficReport":
    from cache_client.replay.traffic import replay_traffic
    from cache_client.simulator import held_out
    from cache_client.simulator.training_overlap import drawn_models

    total = len(held_out(recorded, replayed.holdout)[:limit])
    async with settings_client(settings, connections=settings.connections) as client:
        replayed.check_unseen_by(drawn_models(await client.list_models()))
        with progress_bar("plays", total) as advance:
            return await replay_traffic(
                client,
                recorded,
                holdout=replayed.holdout,
                limit=limit,
                concurrency=settings.concurrency,
                advance=advance,
            )


def _show(report: "TrafficReport", models: list[dict[str, Any]]) -> None:
    console = Console()
    console.print(f"{report.plays:,} plays sent, {report.unknown_tracks:,} of tracks unknown to the server")
    table = Table()
    table.add_column("model")
    for heading in ("version", "n", "accuracy"):
        table.add_column(heading, justify="right")
    for row in models:
        table.add_row(row["model"], row["version"], f"{row['n']:,}", f"{row['accuracy']:.3f}")
    console.print(table)
