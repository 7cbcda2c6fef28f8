"""`python -m cache_client rank`."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cache_client.cli.console import STANDARD_OUTPUT, load_settings, one_line_errors, write_json
from cache_client.cli.options import JsonFile, Model, Server
from cache_client.rpc.client import PredictionClient
from cache_client.rpc.messages import Ranking

_TOP_OF_CATALOGUE = 20


def rank(
    track_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TRACK_ID]…", help="The upcoming tracks; none for the catalogue's best."),
    ] = None,
    favourite_genre: Annotated[
        list[str] | None, typer.Option(help="A favourite genre of the listener; repeat for more.")
    ] = None,
    server: Server = None,
    model: Model = "",
    top_k: Annotated[
        int | None,
        typer.Option(
            min=0, help="How many tracks to show; 0 for all.", show_default="all named, 20 of the catalogue"
        ),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Rank upcoming tracks, best to pre-cache first."""
    with one_line_errors():
        settings = load_settings()
        shown = top_k if top_k is not None else (0 if track_ids else _TOP_OF_CATALOGUE)

        async def ask() -> Ranking:
            target = server or settings.server
            async with PredictionClient(
                target, deadline_s=settings.deadline_s, connections=settings.connections
            ) as client:
                return await client.rank_tracks(
                    track_ids or [], favourite_genre or [], model=model, top_k=shown
                )

        ranking = asyncio.run(ask())
        if json_file != STANDARD_OUTPUT:
            _show(ranking)
        write_json(ranking_to_json(ranking), json_file)


def ranking_to_json(ranking: Ranking) -> dict[str, Any]:
    """Returns a ranking as JSON; no curve was asked for."""
    tracks = [asdict(track) for track in ranking.tracks]
    for track in tracks:
        del track["listening_curve"]
    return asdict(ranking) | {"tracks": tracks}


def _show(ranking: Ranking) -> None:
    console = Console()
    table = Table(title=f"Best to pre-cache first ({ranking.model} {ranking.version})")
    table.add_column("rank", justify="right")
    table.add_column("track_id", no_wrap=True)
    table.add_column("play_through_probability", justify="right")
    table.add_column("skipped")
    for place, track in enumerate(ranking.tracks, start=1):
        skipped = "yes" if track.skipped else "no"
        table.add_row(str(place), escape(track.track_id), f"{track.play_through_probability:.3f}", skipped)
    console.print(table)
    if ranking.unknown_track_ids:
        console.print(f"unknown to the server: {', '.join(ranking.unknown_track_ids)}", markup=False)
