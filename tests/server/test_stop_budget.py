import asyncio

import pytest

from server.stop_budget import StopBudget


async def test_the_steps_share_the_time() -> None:
    budget, left = StopBudget(0.2), []

    async def step(left_s: float) -> None:
        left.append(left_s)
        await asyncio.sleep(left_s)

    await budget.spend(step)
    await budget.spend(step)
    assert left == [pytest.approx(0.2), 0.0]


async def test_what_a_step_raises_is_raised() -> None:
    async def step(left_s: float) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await StopBudget(1.0).spend(step)


async def test_a_cancelled_end_leaves_no_step_behind() -> None:
    ended, begun = [], asyncio.Event()

    async def step(left_s: float) -> None:
        try:
            begun.set()
            await asyncio.sleep(left_s)
        finally:
            ended.append(True)

    spending = asyncio.create_task(StopBudget(3600.0).spend(step))
    await begun.wait()
    spending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await spending
    assert ended == [True]
