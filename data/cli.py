"""Command line of the data room: `python -m data`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from data.errors import DataError

app = typer.Typer(
    help="Makes, reads and transforms Pozytywka data sets.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Ends the command with the error's one line on stderr and exit code 1."""
    try:
        yield
    except DataError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


@app.command(epilog="Example: python -m data generate --out data/sample --plays 12000 --seed 42")
def generate(
    out: Annotated[Path, typer.Option(help="Folder to write; an older data set there is replaced.")],
    listeners: Annotated[int, typer.Option(min=1, help="Number of listeners.")] = 50,
    tracks: Annotated[int, typer.Option(min=1, help="Number of tracks.")] = 5000,
    plays: Annotated[int, typer.Option(min=1, help="Number of plays.")] = 12000,
    seed: Annotated[int, typer.Option(min=0, help="Seed; equal options give equal bytes.")] = 42,
) -> None:
    """Writes a synthetic data set close to the real one."""
    from data.generator import generate as generate_dataset

    columns = (TextColumn("plays"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with _one_line_errors(), Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("plays", total=plays)
        generate_dataset(
            out,
            listeners=listeners,
            tracks=tracks,
            plays=plays,
            seed=seed,
            progress=lambda n: bar.advance(task, n),
        )
    typer.echo(f"wrote {plays} plays of {listeners} listeners over {tracks} tracks to {out}")


@app.command(epilog="Example: python -m data transform data/sample --out plays.parquet")
def transform(
    directory: Annotated[Path, typer.Argument(help="Folder of the data set.")],
    out: Annotated[Path, typer.Option(help="File to write, .jsonl or .parquet.")],
) -> None:
    """Turns sessions into plays: one row a PLAY, with what became of it."""
    from data.export import require_known_suffix, write_plays
    from data.reading import read_dataset
    from data.transform import plays

    with _one_line_errors():
        require_known_suffix(out)
        table = plays(read_dataset(directory))
        write_plays(table, out)
    typer.echo(f"wrote {len(table)} plays, {table['skipped'].mean():.2%} of them skipped, to {out}")
