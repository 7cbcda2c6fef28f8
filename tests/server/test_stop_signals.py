import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from server.stop_signals import run_until_stopped


class Server:
    """Notes what happens to it; stays in its start for ever when it is told to."""

    def __init__(self, *, hangs: bool = False) -> None:  # noqa: D107
        self.events: list[str] = []
        self._hangs = hangs

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        try:
            if self._hangs:
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.Event().wait()
            yield "address"
        finally:
            await asyncio.sleep(0)  # a clean-up may wait, too
            self.events.append("ended")

    def ready(self, address: str) -> None:
        self.events.append(address)
        os.kill(os.getpid(), signal.SIGTERM)


async def test_a_signal_ends_a_server_in_order() -> None:
    server = Server()
    async with asyncio.timeout(60):
        await run_until_stopped(server.running(), server.ready)
    assert server.events == ["address", "ended"]


async def test_a_signal_gives_up_a_server_that_still_starts() -> None:
    server = Server(hangs=True)
    async with asyncio.timeout(60):
        await run_until_stopped(server.running(), server.ready)
    assert server.events == ["ended"]


async def test_a_cancellation_that_no_signal_has_caused_is_passed_on() -> None:
    server = Server()
    running = asyncio.create_task(run_until_stopped(server.running(), server.events.append))
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert server.events == ["address", "ended"]
