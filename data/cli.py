"""Command line of the data package: `python -m data`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from data.errors import DataError, printable

app = typer.Typer(
    help="Makes, reads and transforms Pozytywka data sets.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


# Not readable=True, the default: a folder that cannot be read is one line like any other error.
DataFolder = Annotated[Path, typer.Argument(help="Folder of the data set.", readable=False)]
Lenient = Annotated[
    bool,
    typer.Option(
        "--lenient", help="Repair or drop what breaks the rules, and list on standard error what was done."
    ),
]


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Ends the command with one line on stderr and exit code 1 where the data set is at fault."""
    try:
        yield
    except DataError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def _console(stderr: bool = False) -> Console:
    """Returns a console that does not cut tables to 80 columns where there is no terminal."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=160)


def _progress(*columns: ProgressColumn) -> Progress:
    """Returns a bar on stderr that is gone when done; where there is no terminal, none at all."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


@app.command(epilog="Example: python -m data generate --out data/sample --plays 12000 --seed 42")
def generate(
    out: Annotated[
        Path, typer.Option(help="Folder to write; an older data set there is replaced.", readable=False)
    ],
    listeners: Annotated[int, typer.Option(min=1, help="Number of listeners.")] = 50,
    tracks: Annotated[int, typer.Option(min=1, help="Number of tracks.")] = 5000,
    plays: Annotated[int, typer.Option(min=1, help="Number of plays.")] = 12000,
    seed: Annotated[int, typer.Option(min=0, help="Seed; equal options give equal bytes.")] = 42,
) -> None:
    """Writes a synthetic data set that resembles the real one."""
    from data.generator import generate as generate_dataset

    with _one_line_errors(), _progress(MofNCompleteColumn(), TimeRemainingColumn()) as bar:
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
    directory: DataFolder,
    out: Annotated[Path, typer.Option(help="File to write, .jsonl or .parquet.")],
    lenient: Lenient = False,
) -> None:
    """Turns session events into plays: one row for each PLAY, with its outcome."""
    from data.export import require_known_suffix, require_no_source, write_plays
    from data.reading.folder import read_dataset
    from data.reading.repairs import print_repairs
    from data.session_plays import plays

    with _one_line_errors(), _progress(TimeElapsedColumn()) as bar:
        require_known_suffix(out)
        require_no_source(out, directory)
        task = bar.add_task("reading", total=None)
        dataset = read_dataset(directory, lenient=lenient)
        print_repairs(dataset.repairs)
        bar.update(task, description="transforming")
        table = plays(dataset)
        bar.update(task, description="writing")
        write_plays(table, out)
    skipped = f", {table['skipped'].mean():.2%} of them skipped," if len(table) else ""
    typer.echo(f"wrote {len(table)} plays{skipped} to {out}")


@app.command(epilog="Example: python -m data validate data/sample --json report.json")
def validate(
    directory: DataFolder,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the report as JSON; - is stdout.")
    ] = None,
) -> None:
    """Lists what is wrong with a data set; exits with 1 when a rule of severity error is broken."""
    from data.quality import validate as find_faults
    from data.quality.output import print_report, write_json

    stdout, stderr = _console(), _console(stderr=True)
    with _one_line_errors():
        with stderr.status("reading") as status:
            report = find_faults(directory, lambda step: status.update(step))
        print_report(report, stderr if str(json_file) == "-" else stdout)
        if json_file is not None:
            write_json(report, json_file, stdout)
    if not report.ok:
        raise typer.Exit(1)


@app.command(epilog="Example: python -m data analyze data/sample --out report")
def analyze(
    directory: DataFolder,
    out: Annotated[
        Path, typer.Option(help="Folder to write; an older report there is replaced.", readable=False)
    ],
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all statistics as JSON; - is stdout.")
    ] = None,
    lenient: Lenient = False,
) -> None:
    """Describes a data set in statistics, PNG figures and one self-contained HTML page."""
    from data.analysis import STEPS, describe, require_replaceable, write_json, write_report
    from data.reading.folder import read_dataset
    from data.reading.repairs import print_repairs

    with _one_line_errors(), _progress(MofNCompleteColumn(), TimeElapsedColumn()) as bar:
        require_replaceable(out)
        task = bar.add_task("reading", total=STEPS + 1)
        dataset = read_dataset(directory, lenient=lenient)
        print_repairs(dataset.repairs)

        def advance(step: str) -> None:
            bar.update(task, advance=1, description=step)

        statistics = describe(dataset, advance)
        write_report(statistics, out, title=printable(directory.resolve().name), advance=advance)
        if json_file is not None:
            write_json(statistics, json_file)
    typer.echo(f"wrote {out / 'report.html'} and its figures", err=str(json_file) == "-")
