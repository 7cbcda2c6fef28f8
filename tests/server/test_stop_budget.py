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


async def test_a_pause_comes_before_the_time_of_the_steps_and_takes_none_of_it() -> None:
    budget, left = StopBudget(3600.0, 0.2), []

    async def step(left_s: float) -> None:
        left.append(left_s)

    await budget.pause()
    await budget.spend(step)
    assert left == [pytest.approx(3600.0, abs=0.1)]


async def test_who_does_not_pause_has_the_time_of_those_who_do() -> None:
    left: list[float] = []

    async def step(left_s: float) -> None:
        left.append(left_s)

    await StopBudget(3600.0, 400.0).spend(step)
    assert left == [pytest.approx(4000.0)]


async def test_a_pause_is_cut_short() -> None:
    budget = StopBudget(3600.0, 3600.0)
    pausing = asyncio.create_task(budget.pause())
    await asyncio.sleep(0)
    budget.cut_short()
    async with asyncio.timeout(60):
        await pausing
