"""The room's commands: `python -m server [serve]`, `… report` and `… health`."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from data.errors import DataError
from server.errors import ServerError
from server.logs import configure_logs
from server.settings import ServerSettings, load_settings


class _ServeByDefault(TyperGroup):
    """Takes `python -m server --data …` for `python -m server serve --data …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts the command in front when none is named."""
        if not args or (args[0].startswith("-") and args[0] != "--help"):
            args = ["serve", *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


app = typer.Typer(
    cls=_ServeByDefault,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
    help="Serves predictions over gRPC and keeps the log of the experiment that compares the models.",
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
    models: Annotated[
        Path | None, typer.Option(help="Folder of the model registry.", show_default="models/registry")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one.", show_default="50051")] = None,
    mongodb_uri: MongoUri = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C (the default command).

    Prints `listening on HOST:PORT` when ready.

    Example: python -m server --data data/sample --models models/registry --port 0
    """

    def run() -> Coroutine[Any, Any, None]:
        settings = load_settings(data=data, models=models, host=host, port=port, mongodb_uri=mongodb_uri)
        configure_logs(settings.log_level)
        from server.app import serve as serve_until_stopped  # takes a second: only when it is needed

        return serve_until_stopped(settings, lambda line: print(line, flush=True))

    _run(run)


@app.command()
def report(
    mongodb_uri: MongoUri = None,
    since: Annotated[
        str | None,
        typer.Option(help="Only predictions from this ISO 8601 time on; UTC when it says no zone."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help='Also write the figures there; "-" is standard output.')
    ] = None,
) -> None:
    """Tell how well each arm of the experiment predicted what really happened.

    Example: python -m server report --since 2030-01-31T00:00:00Z --json -
    """
    _run(lambda: _report(load_settings(mongodb_uri=mongodb_uri), _instant(since), json_file))


@app.command()
def health(
    server: Annotated[str, typer.Option(help="The server to ask, as HOST:PORT.")] = "127.0.0.1:50051",
    timeout_s: Annotated[float, typer.Option(min=0.1, help="How long to wait, in seconds.")] = 3.0,
) -> None:
    """Ask a running server whether it serves; exit code 1 when it does not.

    Example: python -m server health --server 127.0.0.1:50051
    """

    async def ask() -> None:
        from server.rpc.probe import check_health

        status = await check_health(server, timeout_s)
        typer.echo(status)
        if status != "SERVING":
            raise ServerError(f"{server} does not serve")

    _run(ask)


def _run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a command; what it cannot do becomes one line on stderr and exit code 1."""
    try:
        uvloop.run(main())
    except (ServerError, DataError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None


async def _report(settings: ServerSettings, since: datetime | None, json_file: Path | None) -> None:
    from server.experiment.analysis import judge, to_json
    from server.experiment.reading import embedded_uri, read_judged
    from server.experiment.spool import count_spooled

    configure_logs("warning")
    with Console(stderr=True).status("reading the experiment log"):
        if settings.external_mongodb_uri is not None:
            predictions = await read_judged(settings.external_mongodb_uri, since)
        else:
            async with embedded_uri(settings.embedded_directory) as uri:
                predictions = await read_judged(uri, since)
        waiting = await asyncio.to_thread(count_spooled, settings.spool_file)
    figures = to_json(judge(predictions), *waiting)
    text = json.dumps(figures, indent=2)
    if json_file == Path("-"):
        typer.echo(text)
        return
    Console().print(_table(figures))
    if json_file is not None:
        try:
            json_file.write_text(text + "\n")  # noqa: ASYNC240  # the last thing that happens here
        except OSError as error:
            raise ServerError(f"cannot write {json_file}: {error.strerror}") from error


def _table(figures: dict[str, Any]) -> Table:
    """Lays the figures out for a terminal."""
    health = figures["health"]
    table = Table(
        title="How well each arm predicted",
        caption=f"{health['n_waiting_in_spool']} wait for MongoDB, {health['n_dead_letters']} dead letters",
    )
    table.add_column("arm")
    for heading in ("n", "outcomes", "accuracy", "95 % interval", "log loss", "Brier"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, arm in figures["arms"].items():
        cells = [str(arm["n"]), str(arm["n_outcomes"])]
        if arm["n_outcomes"]:
            low, high = arm["accuracy_ci95"]
            cells += [f"{arm['accuracy']:.3f}", f"{low:.3f} to {high:.3f}"]
            cells += [f"{arm['log_loss']:.4f}", f"{arm['brier']:.4f}"]
        table.add_row(name, *cells)
    return table


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ServerError(f"--since: not an ISO 8601 time: {text!r}") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
