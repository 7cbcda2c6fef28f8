"""One of several workers: started by the supervisor, never by hand.

Reads one line of JSON on stdin, its order, and writes one line of JSON on stdout: that it is ready, or why it
cannot be. Ends on SIGTERM, and when stdin ends, since then its parent has.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys

import uvloop

from data import terminal
from data.errors import DataError
from server.app import Place, keep_for_good, working
from server.diagnostic_log import configure_logs
from server.errors import ServiceError
from server.settings import from_json
from server.stop_budget import StopBudget
from server.stop_signals import run_until_stopped


async def work(order: dict[str, str | int]) -> int:
    """Serves until told to end, as the supervisor's order has it; returns the exit status."""
    settings = from_json(str(order["settings"]))
    place = Place(int(order["worker"]), int(order["workers"]))
    configure_logs(settings.log_level, worker=place.worker)
    budget = StopBudget(settings.drain_grace_s)

    def ready(_address: str) -> None:
        keep_for_good()
        _report(ready=True)

    def end() -> None:  # nothing more is ever written to stdin: this is its end
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        os.kill(os.getpid(), signal.SIGTERM)

    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), end)
    try:
        return await run_until_stopped(working(settings, place, budget), ready, budget)
    except (ServiceError, DataError) as error:
        _report(error=str(error))
        return 1


def _report(**message: object) -> None:
    """Writes a message to the supervisor, unless that has ended, and stdin with it: that ends us."""
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    order = sys.stdin.readline()
    # None comes from a supervisor that has ended before it could give one.
    terminal.end_now(uvloop.run(work(json.loads(order))) if order else 1)
