"""`python -m cache_client recommend`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cache_client.cli.console import STANDARD_OUTPUT, load_settings, one_line_errors, write_json
from cache_client.cli.options import JsonFile, Model, Server
from cache_client.cli.rank import ranking_to_json
from cache_client.rpc.client import PredictionClient
from cache_client.rpc.messages import Ranking
from data import Catalogue, read_catalogue


def recommend(
    favourite_genre: Annotated[
        list[str] | None, typer.Option(help="A favourite genre of the listener; repeat for more.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of a data set, to show names with the ids.")
    ] = None,
    server: Server = None,
    model: Model = "",
    top_k: Annotated[int, typer.Option(min=1, help="How many tracks to list.")] = 20,
    json_file: JsonFile = None,
) -> None:
    """List the catalogue's tracks that this listener is least likely to skip."""
    with one_line_errors():
        settings = load_settings()
        catalogue = read_catalogue(data) if data is not None else None

        async def ask() -> Ranking:
            target = server or settings.server
            async with PredictionClient(target, deadline_s=settings.deadline_s) as client:
                return await client.rank_tracks([], favourite_genre or [], model=model, top_k=top_k)

        ranking = asyncio.run(ask())
        if json_file != STANDARD_OUTPUT:
            _show(ranking, catalogue)
        write_json(ranking_to_json(ranking), json_file)


def _show(ranking: Ranking, catalogue: Catalogue | None) -> None:
    table = Table(title=f"Least likely to be skipped ({ranking.model} {ranking.version})")
    table.add_column("track_id", no_wrap=True)
    if catalogue is not None:
        table.add_column("name")
    table.add_column("skip_probability", justify="right")
    for track in ranking.tracks:
        cells = [escape(track.track_id)]
        if catalogue is not None:
            row = catalogue.row_of.get(track.track_id)
            cells.append(escape(str(catalogue.tracks["name"].iloc[row])) if row is not None else "")
        table.add_row(*cells, f"{1.0 - track.play_through_probability:.3f}")
    Console().print(table)
