"""`python -m server health`."""

import re
from pathlib import Path
from typing import Annotated

import typer

from server.cli.command import run_command
from server.errors import ServiceError
from server.settings import HealthSettings, load_settings

_ADDRESS = re.compile(r"(\[.+\]|[^:\[\]]+):[0-9]+")


def health(
    server: Annotated[
        str | None,
        typer.Option(
            help="The server to ask, as HOST:PORT.",
            show_default="its health port where one is set, else $PLAYTHROUGH_HOST:$PLAYTHROUGH_PORT",
        ),
    ] = None,
    tls_ca: Annotated[
        Path | None,
        typer.Option(help="Speak TLS; authorities of its certificate. [PLAYTHROUGH_CLIENT_TLS_CA]"),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="The certificate to show. [PLAYTHROUGH_CLIENT_TLS_CERT]")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="Its private key. [PLAYTHROUGH_CLIENT_TLS_KEY]")
    ] = None,
    timeout_s: Annotated[float, typer.Option(min=0.1, help="How long to wait, in seconds.")] = 3.0,
) -> None:
    """Ask a running server whether it serves; exit code 1 when it does not. Health needs no token.

    Example: python -m server health --server 127.0.0.1:50051
    """

    async def ask() -> None:
        from server.rpc.health import check_health

        address = server or load_settings().health_address
        if not _ADDRESS.fullmatch(address):  # gRPC would dial port 443 of a host without one
            raise ServiceError(f"--server: not HOST:PORT: {address!r}")
        reached_by = HealthSettings.load(
            client_tls_ca=tls_ca, client_tls_cert=tls_cert, client_tls_key=tls_key
        )
        files = reached_by.client_tls_ca, reached_by.client_tls_cert, reached_by.client_tls_key
        status = await check_health(address, timeout_s, *files)
        typer.echo(status)
        if status != "SERVING":
            raise ServiceError(f"{address} does not serve")

    run_command(ask)
