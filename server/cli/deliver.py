"""`python -m server deliver`."""

from collections.abc import Coroutine
from typing import Any

from data import terminal
from server.cli.command import MongoUri, run_command
from server.diagnostic_log import configure_logs, log_the_uncaught
from server.settings import load_settings
from server.stop_budget import StopBudget
from server.stop_signals import run_until_stopped


def deliver(mongodb_uri: MongoUri = None) -> None:
    """Move the spool of $PLAYTHROUGH_VAR_DIR to MongoDB until SIGTERM or Ctrl-C.

    For a server that is told --delivery none, so that delivery outlives it:
    a sidecar in Kubernetes. Stop it after the server; it delivers the rest.
    Without a MongoDB it runs the embedded one, as a server does.

    Example: python -m server deliver --mongodb-uri mongodb://127.0.0.1:27017/playthrough
    """

    def run() -> Coroutine[Any, Any, int]:
        settings = load_settings(mongodb_uri=mongodb_uri)
        configure_logs(settings.log_level, settings.log_format, process="delivery")
        log_the_uncaught()
        budget = StopBudget(settings.drain_grace_s)
        from server.storage import delivering_alone  # it takes a second, the other commands need none of it

        return run_until_stopped(delivering_alone(settings, _announce, budget), _announce_delivery, budget)

    terminal.end_now(run_command(run))


def _announce(line: str) -> None:
    print(line, flush=True)


def _announce_delivery(what: str) -> None:
    _announce(f"delivering {what}")
