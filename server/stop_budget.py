"""The time in which a server ends in order."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class StopBudget:
    """The time that all steps of an end in order share; it can be cut short."""

    def __init__(self, grace_s: float) -> None:
        """Sets how many seconds there are in all, from the first step on."""
        self._grace_s = grace_s
        self._ends_at: float | None = None
        self._cut = asyncio.Event()

    def cut_short(self) -> None:
        """Leaves no time for what is under way, nor for what comes."""
        self._cut.set()

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
            self._ends_at = now + self._grace_s
        return 0.0 if self._cut.is_set() else max(0.0, self._ends_at - now)
