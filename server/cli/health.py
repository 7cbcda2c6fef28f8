"""`python -m server health`."""

import re
from typing import Annotated

import typer

from server.cli.command import run_command
from server.errors import ServiceError
from server.settings import load_settings

_ADDRESS = re.compile(r"(\[.+\]|[^:\[\]]+):[0-9]+")


def health(
    server: Annotated[
        str | None,
        typer.Option(
            help="The server to ask, as HOST:PORT.",
            show_default="its health port where one is set, else $PLAYTHROUGH_HOST:$PLAYTHROUGH_PORT",
        ),
    ] = None,
    timeout_s: Annotated[float, typer.Option(min=0.1, help="How long to wait, in seconds.")] = 3.0,
) -> None:
    """Ask a running server whether it serves; exit code 1 when it does not.

    Example: python -m server health --server 127.0.0.1:50051
    """

    async def ask() -> None:
        from server.rpc.health import check_health

        address = server or load_settings().health_address
        if not _ADDRESS.fullmatch(address):  # gRPC would dial port 443 of a host without one
            raise ServiceError(f"--server: not HOST:PORT: {address!r}")
        status = await check_health(address, timeout_s)
        typer.echo(status)
        if status != "SERVING":
            raise ServiceError(f"{address} does not serve")

    run_command(ask)
