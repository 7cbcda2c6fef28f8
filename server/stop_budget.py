"""The time in which a server ends in order."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any


class StopBudget:
    """The time that all steps of an end in order share, after a pause; it can be cut short."""

    def __init__(self, grace_s: float, pause_s: float = 0.0) -> None:
        """Sets how many seconds the steps have in all, after a pause of so many before the first one.

        Who does not pause has that time too: it waits for processes that do.
        """
        self._grace_s = grace_s
        self._pause_s = pause_s
        self._ends_at: float | None = None
        self._cut = asyncio.Event()

    def cut_short(self) -> None:
        """Leaves no time for what is under way, nor for what comes."""
        self._cut.set()

    async def pause(self) -> None:
        """Waits for the pause, unless the time is cut short."""
        self._left_s()  # the time begins
        if self._pause_s > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._cut.wait(), self._pause_s)

    async def spend(self, step: Callable[[float], Coroutine[Any, Any, None]]) -> None:
        """Runs a step, and cancels it when the time is cut short.

        Args:
            step: Called with how many seconds are left; ends by itself when they are over.
        """
        running = asyncio.create_task(step(self._left_s()))
        cut = asyncio.create_task(self._cut.wait())
        try:
            await asyncio.wait([running, cut], return_when=asyncio.FIRST_COMPLETED)
        finally:
            cut.cancel()
            if running.cancel():  # it is not done
                await asyncio.wait([running])
        if not running.cancelled():
            running.result()

    def _left_s(self) -> float:
        now = asyncio.get_running_loop().time()
        if self._ends_at is None:
            self._ends_at = now + self._pause_s + self._grace_s
        return 0.0 if self._cut.is_set() else max(0.0, self._ends_at - now)
