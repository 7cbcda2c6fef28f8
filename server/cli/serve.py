"""`python -m server [serve]`."""

from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from data import terminal
from server.cli.command import MongoUri, run_command
from server.diagnostic_log import configure_logs, log_the_uncaught
from server.settings import load_settings
from server.stop_budget import StopBudget
from server.stop_signals import run_until_stopped


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
    default_model: Annotated[
        str | None,
        typer.Option(
            help="Model for requests that name none. [PLAYTHROUGH_DEFAULT_MODEL]",
            metavar="NAME",
            show_default="see above",
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one.", show_default="50051")] = None,
    mongodb_uri: MongoUri = None,
    delivery: Annotated[
        str | None,
        typer.Option(help="Who moves the spool to MongoDB: own, or none here.", show_default="own"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that serve on the port.", show_default="1")
    ] = None,
    tls_dir: Annotated[
        Path | None, typer.Option(help="Folder of the port's tls.crt and tls.key.", show_default="plain text")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="The certificate as a file, with --tls-key.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key.")] = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option(help="Authorities of clients' certificates, which each then has to show.")
    ] = None,
    access_file: Annotated[
        Path | None, typer.Option(help="TOML file of who may call what.", show_default="anybody anything")
    ] = None,
    insecure: Annotated[
        bool | None, typer.Option("--insecure", help="Speak plain text beyond this machine all the same.")
    ] = None,
    health_port: Annotated[
        int | None,
        typer.Option(help="Port that answers health checks alone; 0 picks a free one.", show_default="none"),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(help="Port of the metrics for Prometheus; 0 picks a free one.", show_default="none"),
    ] = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C (the default command).

    Prints `listening on HOST:PORT` when ready. A second signal cuts the calls in flight off.

    Without --default-model, requests that name no model get the one with the
    lowest log loss among those measured on the same split of the same data
    set: on the data that is served, if any was; on a split that two models or
    more share; on a listener, else a temporal, else a random split.

    Example: python -m server --data data/sample --models models/registry --port 0
    """

    def run() -> Coroutine[Any, Any, int]:
        settings = load_settings(
            data=data,
            lenient=lenient,
            models=models,
            default_model=default_model,
            host=host,
            port=port,
            mongodb_uri=mongodb_uri,
            delivery=delivery,
            workers=workers,
            health_port=health_port,
            metrics_port=metrics_port,
            tls_dir=tls_dir,
            tls_cert=tls_cert,
            tls_key=tls_key,
            tls_client_ca=tls_client_ca,
            access_file=access_file,
            insecure=insecure,
        )
        configure_logs(settings.log_level, settings.log_format)
        log_the_uncaught()
        budget = StopBudget(settings.drain_grace_s, settings.drain_pause_s)
        # Imported here: the other commands need none of it, and it takes a second.
        if settings.workers > 1:
            from server.supervisor import supervising

            return run_until_stopped(supervising(settings, _announce, budget), _announce_address, budget)
        from server.app import keep_for_good, running

        def ready(address: str) -> None:
            keep_for_good()
            _announce_address(address)

        return run_until_stopped(running(settings, _announce, budget), ready, budget)

    terminal.end_now(run_command(run))


def _announce(line: str) -> None:
    """Writes a line for people and for programs that wait for it."""
    print(line, flush=True)


def _announce_address(address: str) -> None:
    _announce(f"listening on {address}")
