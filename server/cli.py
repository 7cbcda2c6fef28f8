"""The room's commands: `python -m server [serve]`, `… report` and `… health`."""

import json
import re
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import uvloop
from rich.console import Console
from typer.core import TyperGroup

from data.errors import DataError
from server.errors import ServiceError
from server.log_format import configure_logs
from server.settings import load_settings
from server.stop_signals import run_until_stopped

if TYPE_CHECKING:
    from server.report import ExperimentReport


_ADDRESS = re.compile(r"(\[.+\]|[^:\[\]]+):[0-9]+")


class _ServeByDefault(TyperGroup):
    """Reads `python -m server --data …` as `python -m server serve --data …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts the command in front when none is named."""
        if not args or (args[0].startswith("-") and args[0] != "--help"):
            args = ["serve", *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the commands, then the default command's flags and example."""
        super().format_help(ctx, formatter)
        default = self.commands["serve"]
        default.format_help(default.context_class(default, info_name="[serve]", parent=ctx), formatter)


app = typer.Typer(
    cls=_ServeByDefault,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
    help="Serve predictions over gRPC, and keep the log of the experiment that compares the models.",
)

MongoUri = Annotated[
    str | None,
    typer.Option(
        "--mongodb-uri",
        help='MongoDB whose path names the database, or "embedded". [MONGODB_URI]',
        show_default="embedded",
    ),
]


@app.command()
def serve(
    data: Annotated[
        Path | None, typer.Option(help="Folder of the data set.", show_default="data/$DATA_VERSION")
    ] = None,
    lenient: Annotated[
        bool | None, typer.Option("--lenient", help="Repair what needs no guess, and log what was done.")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="Folder of the model registry.", show_default="models/registry")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one.", show_default="50051")] = None,
    mongodb_uri: MongoUri = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that serve on the port.", show_default="1")
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(help="Port of the metrics for Prometheus; 0 picks a free one.", show_default="none"),
    ] = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C (the default command).

    Prints `listening on HOST:PORT` when ready.

    Example: python -m server --data data/sample --models models/registry --port 0
    """

    def run() -> Coroutine[Any, Any, None]:
        settings = load_settings(
            data=data,
            lenient=lenient,
            models=models,
            host=host,
            port=port,
            mongodb_uri=mongodb_uri,
            workers=workers,
            metrics_port=metrics_port,
        )
        configure_logs(settings.log_level)
        # Imported here: the other commands need none of it, and it takes a second.
        if settings.workers > 1:
            from server.supervisor import supervising

            return run_until_stopped(supervising(settings, _announce), _announce_address)
        from server.app import keep_for_good, running

        def ready(address: str) -> None:
            keep_for_good()
            _announce_address(address)

        return run_until_stopped(running(settings, _announce), ready)

    _run(run)


def _announce(line: str) -> None:
    """Writes a line for people and for programs that wait for it."""
    print(line, flush=True)


def _announce_address(address: str) -> None:
    _announce(f"listening on {address}")


class Metric(StrEnum):
    """What a verdict can be about."""

    accuracy = "accuracy"
    brier = "brier"
    log_loss = "log_loss"


@app.command()
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
    metric: Annotated[Metric, typer.Option(help="What decides.")] = Metric.accuracy,
    json_file: Annotated[
        Path | None, typer.Option("--json", help='Also write the figures there; "-" is standard output.')
    ] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", help="Also write a page with plots there.")
    ] = None,
) -> None:
    """Report whether the experiment is healthy, how well each arm predicts, and whether one is better.

    Example: python -m server report --since 2030-01-31T00:00:00Z --html report.html
    """

    async def run() -> None:
        configure_logs("warning")
        settings = load_settings(mongodb_uri=mongodb_uri)
        with Console(stderr=True).status("reading the experiment log"):
            from server.report.query import read_report

            figures = await read_report(
                settings.external_mongodb_uri,
                settings.embedded_directory,
                settings.spool_directory,
                since=_instant(since),
                experiment=experiment,
                phase=phase,
                metric=metric.value,
            )
        _deliver(figures, json_file, html_file)

    _run(run)


@app.command()
def health(
    server: Annotated[
        str | None,
        typer.Option(
            help="The server to ask, as HOST:PORT.", show_default="$PLAYTHROUGH_HOST:$PLAYTHROUGH_PORT"
        ),
    ] = None,
    timeout_s: Annotated[float, typer.Option(min=0.1, help="How long to wait, in seconds.")] = 3.0,
) -> None:
    """Ask a running server whether it serves; exit code 1 when it does not.

    Example: python -m server health --server 127.0.0.1:50051
    """

    async def ask() -> None:
        from server.rpc.health import check_health

        address = server or load_settings().own_address
        if not _ADDRESS.fullmatch(address):  # gRPC would dial port 443 of a host without one
            raise ServiceError(f"--server: not HOST:PORT: {address!r}")
        status = await check_health(address, timeout_s)
        typer.echo(status)
        if status != "SERVING":
            raise ServiceError(f"{address} does not serve")

    _run(ask)


def _run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a command; what it cannot do becomes one line on stderr and exit code 1."""
    try:
        uvloop.run(main())
    except (ServiceError, DataError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None


def _deliver(figures: "ExperimentReport", json_file: Path | None, html_file: Path | None) -> None:
    """Writes the report wherever it is wanted."""
    text = json.dumps(figures.to_json(), indent=2, allow_nan=False)
    if json_file == Path("-"):
        typer.echo(text)
    else:
        from server.report.terminal import show

        show(figures, Console())
        if json_file is not None:
            _write(json_file, text + "\n")
    if html_file is not None:
        from server.report.page import render_page

        _write(html_file, render_page(figures))


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ServiceError(f"cannot write {path}: {error.strerror}") from error


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ServiceError(f"--since: not an ISO 8601 time: {text!r}") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
