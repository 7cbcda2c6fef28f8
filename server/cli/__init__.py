"""The room's commands: `python -m server [serve]`, `… deliver`, `… report`, `… log` and `… health`."""

from typing import Any

import typer
from typer.core import TyperGroup

from server.cli.deliver import deliver
from server.cli.health import health
from server.cli.log import log
from server.cli.report import report
from server.cli.serve import serve


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
app.command()(serve)
app.command()(report)
app.command()(deliver)
app.command()(health)
app.add_typer(log, name="log")
