"""The signals that end a server in order."""

import asyncio
import signal


def stop_event() -> asyncio.Event:
    """Returns an event that SIGTERM and SIGINT set from now on."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping
