"""A blocked event loop is noticed, and one that is not blocked is looked at as well."""

import asyncio
import time

from server.call_counts import LATENCY_BOUNDS_S, Tally
from server.loop_lag import measuring_lag

BLOCKED_S = 0.3


async def test_a_block_counts_with_its_length() -> None:
    lag = Tally(LATENCY_BOUNDS_S)
    async with measuring_lag(lag), asyncio.timeout(30):
        while not sum(lag.counts):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        before, total_s = sum(lag.counts), lag.total
        time.sleep(BLOCKED_S)  # noqa: ASYNC251
        while sum(lag.counts) == before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    # It was due within the twentieth of a second that a look takes at most.
    assert lag.total - total_s >= BLOCKED_S - 0.1
    assert sum(lag.counts[LATENCY_BOUNDS_S.index(0.25) :]) >= 1
