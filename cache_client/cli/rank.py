"""`python -m cache_client rank`."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cache_client.cli.console import STANDARD_OUTPUT, one_line_errors, write_json
from cache_client.cli.laboratory_client import settings_client
from cache_client.cli.options import (
    MOST_TRACKS,
    FavouriteGenres,
    JsonFile,
    Model,
    Server,
    TlsCa,
    TlsCert,
    TlsKey,
    TokenFile,
)
from cache_client.rpc.messages import Ranking
from cache_client.settings import CacheClientSettings

_TOP_OF_CATALOGUE = 20


def rank(
    track_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TRACK_ID]…", help="The upcoming tracks; none for the catalogue's best."),
    ] = None,
    favourite_genre: FavouriteGenres = None,
    server: Server = None,
    model: Model = "",
    top_k: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MOST_TRACKS,
            help="How many tracks to show; 0 for all.",
            show_default="all named, 20 of the catalogue",
        ),
    ] = None,
    json_file: JsonFile = None,
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    token_file: TokenFile = None,
) -> None:
    """Rank upcoming tracks, best to pre-cache first."""
    with one_line_errors():
        shown = top_k if top_k is not None else (0 if track_ids else _TOP_OF_CATALOGUE)
        settings = CacheClientSettings.load(
            server=server or None,
            client_tls_ca=tls_ca,
            client_tls_cert=tls_cert,
            client_tls_key=tls_key,
            client_token_file=token_file,
        )
        ranking = ask(settings, model, track_ids or [], favourite_genre or [], shown)
        write(ranking, "Best to pre-cache first", json_file)


def ask(
    settings: CacheClientSettings,
    model: str,
    track_ids: Sequence[str],
    favourite_genres: Sequence[str],
    top_k: int,
) -> Ranking:
    """Returns the ranking of the server that settings name."""

    async def call() -> Ranking:
        async with settings_client(settings) as client:
            return await client.rank_tracks(track_ids, favourite_genres, model=model, top_k=top_k)

    return asyncio.run(call())


def write(
    ranking: Ranking, title: str, json_file: Path | None, names: Mapping[str, str] | None = None
) -> None:
    """Prints a ranking, asked for without curves, as a table with names by track id; writes it as JSON."""
    if json_file != STANDARD_OUTPUT:
        console = Console()
        console.print(_table(ranking, title, names))
        if ranking.unknown_track_ids:
            console.print(f"unknown to the server: {', '.join(ranking.unknown_track_ids)}", markup=False)
    tracks = [asdict(track) for track in ranking.tracks]
    for track in tracks:
        del track["listening_curve"]
    write_json(asdict(ranking) | {"tracks": tracks}, json_file)


def _table(ranking: Ranking, title: str, names: Mapping[str, str] | None) -> Table:
    table = Table(title=f"{title} ({ranking.model} {ranking.version})")
    table.add_column("rank", justify="right")
    table.add_column("track_id", no_wrap=True)
    if names is not None:
        table.add_column("name")
    table.add_column("play-through\nprobability", justify="right")
    table.add_column("expected")
    for place, track in enumerate(ranking.tracks, start=1):
        named = [] if names is None else [escape(names.get(track.track_id, ""))]
        expected = "skip" if track.skipped else "heard out"
        probability = f"{track.play_through_probability:.3f}"
        table.add_row(str(place), escape(track.track_id), *named, probability, expected)
    return table
