"""Flags that several commands take."""

import math
from pathlib import Path
from typing import Annotated, Any

import typer


def number(help_text: str, minimum: float) -> Any:
    """Returns the option of a finite number from a minimum on (`nan` passes a plain range check)."""
    return typer.Option(min=minimum, help=help_text, callback=_finite)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise typer.BadParameter("not a finite number")
    return value


FastMs = Annotated[float, number("First byte from FAST storage, ms.", 0.0)]
MediumMs = Annotated[float, number("First byte from MEDIUM storage, ms.", 0.0)]
SlowMs = Annotated[float, number("First byte from SLOW storage, ms.", 0.0)]
MOST_TRACKS = 2**31 - 1
"""The largest number of tracks that the contract can ask for."""

Data = Annotated[Path | None, typer.Option(help="Folder of the data set.", show_default="data/$DATA_VERSION")]
Lenient = Annotated[
    bool, typer.Option("--lenient", help="Repair what needs no guess, and say on stderr what was done.")
]
Server = Annotated[
    str | None,
    typer.Option(help="The server, HOST or HOST:PORT. [PLAYTHROUGH_SERVER]", show_default="127.0.0.1:50051"),
]
TlsCa = Annotated[
    Path | None,
    typer.Option(
        "--tls-ca", help="Speak TLS; authorities of the server's certificate. [PLAYTHROUGH_CLIENT_TLS_CA]"
    ),
]
TlsCert = Annotated[
    Path | None,
    typer.Option("--tls-cert", help="The client's own certificate. [PLAYTHROUGH_CLIENT_TLS_CERT]"),
]
TlsKey = Annotated[
    Path | None, typer.Option("--tls-key", help="Its private key. [PLAYTHROUGH_CLIENT_TLS_KEY]")
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", help="The token that calls show. [PLAYTHROUGH_CLIENT_TOKEN_FILE]"),
]
FavouriteGenres = Annotated[
    list[str] | None, typer.Option(help="A favourite genre of the listener; repeat for more.")
]
Model = Annotated[str, typer.Option(help="Model to ask; the server's default one when not given.")]
AllowRefitted = Annotated[
    bool,
    typer.Option(
        "--allow-refitted", help="Replay plays that a refitted model was trained on, with a warning."
    ),
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help='Also write the results there; "-" is standard output.')
]
Holdout = Annotated[
    float,
    typer.Option(
        min=0.001,
        max=1.0,
        help="Share of the plays, the last ones by time, whose sessions are used: models are trained before.",
        callback=_finite,
    ),
]
