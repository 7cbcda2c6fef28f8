"""How late the event loop comes to what it was to do at a given time: what every call waits for as well."""

import time
from contextlib import AbstractAsyncContextManager

from server.call_counts import Tally
from server.polling import polling

# Often enough that a block of some 50 ms is rarely missed; a look costs some microseconds.
_EVERY_S = 0.05


def measuring_lag(lag: Tally) -> AbstractAsyncContextManager[None]:
    """Adds to a tally, again and again for the duration of a block, by how many seconds the loop is late."""
    due = time.perf_counter() + _EVERY_S

    async def look() -> None:
        nonlocal due
        now = time.perf_counter()
        lag.add(max(0.0, now - due))
        due = now + _EVERY_S

    return polling("loop lag", look, _EVERY_S)
