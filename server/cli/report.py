"""`python -m server report`."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from server.cli.command import MongoUri, run_command, write_file
from server.diagnostic_log import configure_logs
from server.errors import ServiceError
from server.experiment.metric import Metric
from server.settings import load_settings

if TYPE_CHECKING:
    from server.report import ExperimentReport


def report(
    mongodb_uri: MongoUri = None,
    since: Annotated[
        str | None,
        typer.Option(help="Only predictions from this ISO 8601 time on; UTC when it says no zone."),
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(help="Which experiment.", show_default="that of the latest prediction")
    ] = None,
    phase: Annotated[
        str | None, typer.Option(help="Which phase of it, or how its id begins.", show_default="the latest")
    ] = None,
    metric: Annotated[
        Metric | None,
        typer.Option(
            help="What to show first; another than the experiment declared decides nothing.",
            show_default="as declared",
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help='Also write the figures there; "-" is standard output.')
    ] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", help="Also write a page with plots there.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="Also write the predictions there, to .csv or .parquet.")
    ] = None,
) -> None:
    """Report whether the experiment is healthy, how well each arm predicts, and whether one is better.

    Example: python -m server report --since 2030-01-31T00:00:00Z --html report.html
    """

    async def run() -> None:
        configure_logs("warning")
        settings = load_settings(mongodb_uri=mongodb_uri)
        # Imported here: it takes a second, in which nothing would be shown.
        from server.report.export import require_known_suffix
        from server.report.progress import ReportProgress
        from server.report.query import read_report

        require_known_suffix(export)
        with ReportProgress(Console(stderr=True)) as progress:
            figures = await read_report(
                settings.external_mongodb_uri,
                settings.embedded_directory,
                settings.spool_directory,
                since=_instant(since),
                experiment=experiment,
                phase=phase,
                shown_first=None if metric is None else metric.value,
                export=export,
                progress=progress,
            )
        _deliver(figures, json_file, html_file)

    run_command(run)


def _deliver(figures: "ExperimentReport", json_file: Path | None, html_file: Path | None) -> None:
    """Writes the report wherever it is wanted."""
    text = json.dumps(figures.to_json(), indent=2, allow_nan=False)
    if json_file == Path("-"):
        typer.echo(text)
    else:
        from server.report.terminal import show

        show(figures, Console())
        if json_file is not None:
            write_file(json_file, text + "\n")
    if html_file is not None:
        from server.report.page import render_page

        write_file(html_file, render_page(figures))


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ServiceError(f"--since: not an ISO 8601 time: {text!r}") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
