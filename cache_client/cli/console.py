"""What all commands do alike: settings, one-line errors, progress, JSON."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cache_client.laboratory_errors import UsageError
from cache_client.rpc.errors import CacheClientError
from data.atomic_write import atomic_file
from data.errors import DataError
from data.settings import SettingsError

STANDARD_OUTPUT = Path("-")


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the command with the error's one line on stderr and exit code 1."""
    try:
        yield
    except (CacheClientError, DataError, SettingsError) as error:
        problem = " ".join(str(error).split())
    except UnicodeEncodeError as error:  # Python takes such arguments, protobuf refuses them
        problem = f"not UTF-8: {error.object!r}"
    else:
        return
    typer.echo(f"error: {problem}", err=True)
    raise typer.Exit(1)


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Shows a bar on stderr; yields what advances it."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


def check_writable(*files: Path | None) -> None:
    """Looks whether results can be written where they are wanted, before the work for them is done.

    Raises:
        UsageError: A file's folder is not there, or it is a folder itself.
    """
    for file in files:
        if file is None or file == STANDARD_OUTPUT:
            continue
        if not file.parent.is_dir():
            raise UsageError(f"cannot write {file}: no such folder")
        if file.is_dir():
            raise UsageError(f"cannot write {file}: it is a folder")


def write_json(value: Any, file: Path | None) -> None:
    """Writes a value as JSON; `-` is standard output, None is nowhere.

    Raises:
        UsageError: The file's folder is not there, or it is a folder itself.
        DataError: The file cannot be written; it stays as it was.
    """
    if file is None:
        return
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if file == STANDARD_OUTPUT:
        typer.echo(text)
        return
    check_writable(file)
    with atomic_file(file) as fresh:
        fresh.write_text(text + "\n", encoding="utf-8")
