"""Many calls side by side, a bounded number at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


async def map_concurrently(
    call: Callable[[Item], Awaitable[Result]],
    items: Iterable[Item],
    concurrency: int,
    advance: Callable[[int], None] = lambda done: None,
) -> list[Result]:
    """Returns what a call returns for each item, in the items' order; the first failure ends the others.

    Args:
        call: What to await for an item.
        items: The items.
        concurrency: How many calls may be under way at once.
        advance: Called with 1 after each item, for a progress bar.
    """
    slots = asyncio.Semaphore(concurrency)

    async def in_slot(item: Item) -> Result:
        async with slots:
            result = await call(item)
        advance(1)
        return result

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(in_slot(item)) for item in items]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [task.result() for task in tasks]
