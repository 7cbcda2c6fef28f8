"""The signals that end a server in order."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import structlog

from data.terminal import INTERRUPTED
from server.stop_budget import StopBudget

# `timeout`, and some that start programs, send a signal to a process and to its group: it arrives twice.
_SAME_SIGNAL_S = 0.2

T = TypeVar("T")

_log = structlog.get_logger("server")


async def run_until_stopped(
    server: AbstractAsyncContextManager[T], ready: Callable[[T], None], budget: StopBudget
) -> int:
    """Runs a server until SIGTERM or SIGINT, then ends it in order; one that still starts is given up.

    A second signal cuts the end short.

    Args:
        server: Runs for the duration of a block, and yields its address, or what else there is to know.
        ready: Called with that once it is there.
        budget: The time that the server's end takes.

    Returns:
        The exit status: that of an interrupted command when Ctrl-C has given up the start or cut the end
        short, and else 0.
    """
    main, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert main is not None
    stopping, starting, status, stopped_at = asyncio.Event(), True, 0, 0.0

    def stop(number: signal.Signals) -> None:
        nonlocal status, stopped_at
        again = stopping.is_set()
        if again and loop.time() - stopped_at < _SAME_SIGNAL_S:
            return
        if starting or again:
            status = INTERRUPTED if number == signal.SIGINT else status
            budget.cut_short()
        if starting and not again:  # once: a second signal must not cut off the clean-up
            main.cancel()
        stopped_at = loop.time()
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    try:
        async with server as address:
            starting = False
            ready(address)
            await stopping.wait()
            _log.info("stopping")
    except asyncio.CancelledError:
        if not stopping.is_set():
            raise
    _log.info("stopped")
    return status
