"""How late the event loop is."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

from server.call_counts import LATENCY_BOUNDS_S, Tally

_EVERY_S = 0.02
# One pause, as for a model that is loaded, is no overload: the least of so many looks counts.
_LOOKS = 3


class LoopLag:
    """Measures how late a timer of the loop rings: so long whatever waits for the loop waits.

    It sees long steps, a core that others use and too many callbacks. It does not see calls that wait in
    gRPC's core, which hands them over one a turn, however many there are.

    Attributes:
        standing_s: How late the loop has been at least in the last looks, in seconds.
    """

    def __init__(self, looks: Tally | None = None) -> None:
        """Starts in time.

        Args:
            looks: Where every look is counted, in seconds.
        """
        self.standing_s = 0.0
        self._looks = Tally(LATENCY_BOUNDS_S) if looks is None else looks
        self._latest_s = deque([0.0], maxlen=_LOOKS)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Measures for the duration of a block."""
        task = asyncio.create_task(self._watch(), name="loop-lag")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def add(self, late_s: float) -> None:
        """Adds a look."""
        self._looks.add(late_s)
        self._latest_s.append(late_s)
        self.standing_s = min(self._latest_s)

    async def _watch(self) -> None:
        while True:
            due_s = monotonic() + _EVERY_S
            await asyncio.sleep(_EVERY_S)
            self.add(max(0.0, monotonic() - due_s))
