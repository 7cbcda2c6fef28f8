"""Calls side by side: in order, within their bound, and with the error itself where one fails."""

import asyncio

import pytest

from cache_client.simulator.concurrency import map_concurrently


async def test_results_keep_the_items_order_and_the_bound_holds() -> None:
    under_way = most = 0
    done: list[int] = []

    async def call(item: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(10 - item):  # later items are done sooner
            await asyncio.sleep(0)
        under_way -= 1
        return item * item

    assert await map_concurrently(call, range(10), 3, done.append) == [item * item for item in range(10)]
    assert most == 3
    assert done == [1] * 10


async def test_the_first_failure_ends_the_others_and_is_raised_as_itself() -> None:
    ended = []

    async def call(item: int) -> None:
        if item == 2:
            raise ValueError("the last")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(item)

    with pytest.raises(ValueError, match="the last"):
        await map_concurrently(call, range(3), 3)
    assert sorted(ended) == [0, 1]
