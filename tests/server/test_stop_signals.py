import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from data.terminal import INTERRUPTED
from server import stop_signals
from server.stop_budget import StopBudget
from server.stop_signals import run_until_stopped


class Server:
    """Notes what happens to it; with `hangs`, gets that signal in its start, and stays there for ever."""

    def __init__(self) -> None:  # noqa: D107
        self.events: list[str] = []
        self.budget = StopBudget(3600.0)
        self.hangs: signal.Signals | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        try:
            if self.hangs:
                os.kill(os.getpid(), self.hangs)
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
        assert await run_until_stopped(server.running(), server.ready, server.budget) == 0
    assert server.events == ["address", "ended"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, 0)])
async def test_a_signal_gives_up_a_server_that_still_starts(number: signal.Signals, status: int) -> None:
    server = Server()
    server.hangs = number
    async with asyncio.timeout(60):
        assert await run_until_stopped(server.running(), server.ready, server.budget) == status
    assert server.events == ["ended"]


class Draining(Server):
    """Spends hours on its end, and then a step that notes how long it has got."""

    def __init__(self, again: signal.Signals) -> None:  # noqa: D107
        super().__init__()
        self._again = again

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        yield "address"
        await self.budget.spend(self._drain)
        await self.budget.spend(self._flush)

    async def _drain(self, left_s: float) -> None:
        assert left_s == pytest.approx(3600.0)
        os.kill(os.getpid(), self._again)
        try:
            await asyncio.sleep(left_s)
        finally:
            self.events.append("drained")

    async def _flush(self, left_s: float) -> None:
        self.events.append(f"flushed in {left_s}")


@pytest.mark.parametrize(("again", "status"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, 0)])
async def test_a_second_signal_cuts_the_end_short(
    again: signal.Signals, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop_signals, "_SAME_SIGNAL_S", 0.0)
    server = Draining(again)
    async with asyncio.timeout(60):
        assert await run_until_stopped(server.running(), server.ready, server.budget) == status
    assert server.events == ["address", "drained", "flushed in 0.0"]


async def test_one_signal_that_arrives_twice_cuts_nothing_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop_signals, "_SAME_SIGNAL_S", 3600.0)
    server = Draining(signal.SIGTERM)
    server.budget = StopBudget(0.5)
    monkeypatch.setattr(server, "_drain", lambda left_s: asyncio.sleep(left_s))
    stopping = asyncio.create_task(run_until_stopped(server.running(), server.ready, server.budget))
    await asyncio.sleep(0.1)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0.1)
    assert not stopping.done()
    async with asyncio.timeout(60):
        assert await stopping == 0


async def test_a_cancellation_that_no_signal_has_caused_is_passed_on() -> None:
    server = Server()
    running = asyncio.create_task(run_until_stopped(server.running(), server.events.append, server.budget))
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert server.events == ["address", "ended"]
