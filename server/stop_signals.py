"""The signals that end a server in order."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog

_log = structlog.get_logger("server")


async def run_until_stopped(server: AbstractAsyncContextManager[str], ready: Callable[[str], None]) -> None:
    """Runs a server until SIGTERM or SIGINT, then ends it in order; one that still starts is given up.

    Args:
        server: Runs for the duration of a block, and yields its address.
        ready: Called with the address once it is there.
    """
    stopping, main, starting = asyncio.Event(), asyncio.current_task(), True
    assert main is not None

    def stop() -> None:
        if starting and not stopping.is_set():  # once: a second signal must not cut off the clean-up
            main.cancel()
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
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
