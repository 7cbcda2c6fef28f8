"""What a process runs that the server has started: a worker, or delivery.

It reads one line of JSON on stdin, its order, and writes one line of JSON on stdout: that it is ready, or why
it cannot be. It ends on SIGTERM, and when stdin ends, since then its parent has.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, NoReturn

import uvloop

from data import terminal
from data.errors import DataError
from server.diagnostic_log import configure_logs, log_the_uncaught
from server.errors import ServiceError
from server.settings import ServerSettings, from_json
from server.stop_budget import StopBudget
from server.stop_signals import run_until_stopped


class Order(NamedTuple):
    """What a child is to do.

    Attributes:
        settings: The server's.
        number: Which one of several equal children it is, from 0.
        of: How many there are.
    """

    settings: ServerSettings
    number: int
    of: int


Work = Callable[[Order, StopBudget], AbstractAsyncContextManager[object]]


def run_child(work: Work, ready: Callable[[], None] = lambda: None) -> NoReturn:
    """Does a child's work until told to end, and ends the process.

    Args:
        work: Runs for the duration of a block; given the order, and the time that the end may take.
        ready: Called once the block has begun.
    """
    line = sys.stdin.readline()
    # None comes from a parent that has ended before it could give one.
    terminal.end_now(uvloop.run(_run(json.loads(line), work, ready)) if line else 1)


async def _run(order: dict[str, str | int], work: Work, ready: Callable[[], None]) -> int:
    settings = from_json(str(order["settings"]))
    told = Order(settings, int(order["number"]), int(order["of"]))
    is_worker = order["name"] == "worker"
    names = {"worker": told.number} if is_worker else {"process": order["name"]}
    configure_logs(settings.log_level, settings.log_format, **names)
    log_the_uncaught()
    budget = StopBudget(settings.drain_grace_s, settings.drain_pause_s if is_worker else 0.0)

    def begun(_address: object) -> None:
        ready()
        _report(ready=True)

    def end() -> None:  # nothing more is ever written to stdin: this is its end
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        os.kill(os.getpid(), signal.SIGTERM)

    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), end)
    try:
        return await run_until_stopped(work(told, budget), begun, budget)
    except (ServiceError, DataError) as error:
        _report(error=str(error))
        return 1


def _report(**message: object) -> None:
    """Writes a message to the parent, unless that has ended, and stdin with it: that ends us."""
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), json.dumps(message).encode() + b"\n")
