"""`python -m cache_client recommend`."""

from pathlib import Path
from typing import Annotated

import typer

from cache_client.cli.console import one_line_errors
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
from cache_client.cli.rank import ask, write
from cache_client.settings import CacheClientSettings


def recommend(
    favourite_genre: FavouriteGenres = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of a data set, to show names with the ids.")
    ] = None,
    server: Server = None,
    model: Model = "",
    top_k: Annotated[int, typer.Option(min=1, max=MOST_TRACKS, help="How many tracks to list.")] = 20,
    json_file: JsonFile = None,
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    token_file: TokenFile = None,
) -> None:
    """List the catalogue's tracks that this listener is least likely to skip."""
    with one_line_errors():
        names = None
        if data is not None:
            from data import read_catalogue

            tracks = read_catalogue(data).tracks
            names = dict(zip(tracks["id"], tracks["name"], strict=True))
        settings = CacheClientSettings.load(
            server=server or None,
            client_tls_ca=tls_ca,
            client_tls_cert=tls_cert,
            client_tls_key=tls_key,
            client_token_file=token_file,
        )
        ranking = ask(settings, model, [], favourite_genre or [], top_k)
        write(ranking, "Least likely to be skipped", json_file, names)
