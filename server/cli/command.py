"""What the commands share."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

import typer
import uvloop

from data.errors import DataError
from server.errors import ServiceError

T = TypeVar("T")

MongoUri = Annotated[
    str | None,
    typer.Option(
        "--mongodb-uri",
        help='MongoDB whose path names the database, or "embedded". [MONGODB_URI]',
        show_default="embedded",
    ),
]


def run_command(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Returns a command's result; what it cannot do becomes one line on stderr and exit code 1."""
    try:
        return uvloop.run(main())
    except (ServiceError, DataError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
