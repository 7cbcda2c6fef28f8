"""`python -m server log status|retry|purge`."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from server.cli.command import run_command, write_file
from server.log.spool.rows import Reason
from server.log.spool.status import SpoolStatus, purge_dead_letters, read_status, retry_dead_letters
from server.settings import load_settings

log = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Look after what is logged on this machine and not in MongoDB: the spool, and its dead letters.",
)

OfReason = Annotated[
    Reason | None, typer.Option(help="Only dead letters of this reason.", show_default="of any")
]


@log.command()
def status(
    json_file: Annotated[
        Path | None, typer.Option("--json", help='Also write the state there; "-" is standard output.')
    ] = None,
) -> None:
    """Show how much waits for MongoDB and how old it is, how delivery goes, and what was given up.

    Example: python -m server log status
    """

    async def show() -> None:
        directory = load_settings().spool_directory
        state = read_status(directory)
        text = json.dumps(_to_json(state), indent=2)
        if json_file == Path("-"):
            typer.echo(text)
            return
        Console().print(_table(state, directory))
        if json_file is not None:
            write_file(json_file, text + "\n")

    run_command(show)


@log.command()
def retry(reason: OfReason = None) -> None:
    """Deliver dead letters again; those that fail again come back.

    Example: python -m server log retry --reason refused
    """

    async def put_back() -> None:
        n = retry_dead_letters(load_settings().spool_directory, reason and reason.value)
        typer.echo(f"{n:,} dead letters will be delivered again")

    run_command(put_back)


@log.command()
def purge(
    reason: OfReason = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Drop dead letters for good. What still waits for MongoDB is not touched.

    Example: python -m server log purge --reason conflict --yes
    """

    async def drop() -> None:
        directory = load_settings().spool_directory
        dead = read_status(directory).dead.items()
        n = sum(count for (_, why), count in dead if reason in (None, why))
        if n and not yes:
            typer.confirm(f"drop {n:,} dead letters in {directory} for good?", abort=True)
        typer.echo(f"{purge_dead_letters(directory, reason and reason.value):,} dead letters dropped")

    run_command(drop)


def _table(state: SpoolStatus, directory: Path) -> Table:
    table = Table(title=f"experiment log in {directory}", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("predictions that wait for MongoDB", f"{state.waiting:,}")
    table.add_row("outcomes that wait for MongoDB, or for their prediction", f"{state.waiting_outcomes:,}")
    table.add_row("age of the oldest", "-" if state.oldest is None else _age(state.oldest))
    table.add_row("delivery", "running" if state.delivering else "not running")
    away = (
        "-" if state.away_since is None else f"{_age(state.away_since)}, since {state.away_since:%F %T} UTC"
    )
    table.add_row("MongoDB away", away)
    for (kind, reason), count in state.dead.items():
        table.add_row(f"dead letters: {kind}, {reason}", f"{count:,}")
    if not state.dead:
        table.add_row("dead letters", "0")
    return table


def _age(since: datetime) -> str:
    seconds = max(0, round((datetime.now(UTC) - since).total_seconds()))
    hours, rest = divmod(seconds, 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"


def _to_json(state: SpoolStatus) -> dict[str, Any]:
    return {
        "waiting": state.waiting,
        "waiting_outcomes": state.waiting_outcomes,
        "oldest": state.oldest and state.oldest.isoformat(),
        "delivering": state.delivering,
        "away_since": state.away_since and state.away_since.isoformat(),
        "dead_letters": [
            {"kind": kind, "reason": reason, "count": count} for (kind, reason), count in state.dead.items()
        ],
    }
