"""How late the loop is: a pause is none, a standing lag is one."""

import asyncio
import time

from server.call_counts import LATENCY_BOUNDS_S, Tally
from server.limits.loop_lag import LoopLag

BLOCKED_S = 0.3


def test_one_late_look_is_no_standing_lag() -> None:
    lag = LoopLag()
    for late_s in (0.0, 0.0, 0.9, 0.0):
        lag.add(late_s)
    assert lag.standing_s == 0.0
    for late_s in (0.9, 0.7, 0.8):
        lag.add(late_s)
    assert lag.standing_s == 0.7
    lag.add(0.0)
    assert lag.standing_s == 0.0


async def test_a_loop_that_is_blocked_again_and_again_is_late() -> None:
    lag = LoopLag()
    async with lag.watching():
        async with asyncio.timeout(60):
            while lag.standing_s < 0.01:
                time.sleep(0.05)  # noqa: ASYNC251
                await asyncio.sleep(0)
        async with asyncio.timeout(60):
            while lag.standing_s > 0.005:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_a_block_counts_with_its_length() -> None:
    looks = Tally(LATENCY_BOUNDS_S)
    async with LoopLag(looks).watching(), asyncio.timeout(60):
        while not sum(looks.counts):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        before, total_s = sum(looks.counts), looks.total
        time.sleep(BLOCKED_S)  # noqa: ASYNC251
        while sum(looks.counts) == before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    # It was due within the fiftieth of a second that a look takes at most.
    assert looks.total - total_s >= BLOCKED_S - 0.05
    assert sum(looks.counts[LATENCY_BOUNDS_S.index(0.25) :]) >= 1
