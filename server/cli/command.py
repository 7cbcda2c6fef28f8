"""What the commands share."""

from collections.abc import Callable, Coroutine
from pathlib import Path
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


def write_file(path: Path, text: str) -> None:
    """Writes a command's result to a file, in a folder that is made when it is missing.

    Raises:
        ServiceError: When it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ServiceError(f"cannot write {path}: {error.strerror}") from error
