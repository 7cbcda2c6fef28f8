"""One thread, many who want it: turns, room, deadlines."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from server.errors import OverloadedError, TooLateError
from server.limits.fair_thread import FairThread

Ask = Callable[[str, str], "asyncio.Task[None]"]


@asynccontextmanager
async def held(most_waiting: int) -> AsyncIterator[tuple[Ask, list[str], Callable[[], None], FairThread]]:
    """Yields what asks a thread that is busy until it is let go, and who has been answered so far."""
    thread, answered = FairThread(most_waiting), list[str]()
    began, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        began.set()
        assert go_on.wait(60)

    def ask(method: str, caller: str) -> "asyncio.Task[None]":
        return asyncio.create_task(thread.run(method, caller, lambda: answered.append(f"{method} {caller}")))

    holding = asyncio.create_task(thread.run("first", "first", hold))
    try:
        await asyncio.to_thread(began.wait, 60)
        yield ask, answered, go_on.set, thread
    finally:
        go_on.set()
        await asyncio.wait([holding])
        thread.close()


async def test_callers_take_turns_and_so_do_methods() -> None:
    async with held(64) as (ask, answered, go_on, _):
        tasks = [ask("Rank", "greedy") for _ in range(4)] + [ask("Rank", "good"), ask("Plan", "good")]
        await asyncio.sleep(0)
        go_on()
        await asyncio.gather(*tasks)
    assert answered.index("Rank good") <= 2
    assert answered.index("Plan good") <= 2
    assert len(answered) == 6


async def test_a_greedy_caller_pushes_nobody_out() -> None:
    async with held(64) as (ask, answered, go_on, _):
        greedy = [ask("Rank", "greedy") for _ in range(2_000)]
        await asyncio.sleep(0)
        good = [ask("Rank", "good") for _ in range(30)]
        await asyncio.sleep(0)
        go_on()
        assert await asyncio.gather(*good) == [None] * 30
        ends = await asyncio.gather(*greedy, return_exceptions=True)
    refused = [end for end in ends if isinstance(end, OverloadedError)]
    assert len(refused) == 2_000 - 64 + 30
    assert {error.reason for error in refused} == {"caller"}
    assert all(error.retry_after_s > 0 for error in refused)
    assert answered.count("Rank greedy") == 64 - 30


async def test_a_lone_caller_has_the_whole_line() -> None:
    async with held(64) as (ask, answered, go_on, _):
        tasks = [ask("Rank", "lone") for _ in range(65)]
        await asyncio.sleep(0)
        go_on()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ends].count(OverloadedError) == 1
    assert len(answered) == 64


async def test_one_methods_full_line_leaves_anothers() -> None:
    async with held(2) as (ask, answered, go_on, _):
        full = [ask("Rank", "a"), ask("Rank", "b")]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError) as caught:
            await ask("Rank", "c")
        assert caught.value.reason == "method"
        other = ask("Plan", "c")
        await asyncio.sleep(0)
        go_on()
        await asyncio.gather(*full, other)
    assert "Plan c" in answered


async def test_what_is_cancelled_while_it_waits_is_not_begun_and_makes_room() -> None:
    async with held(1) as (ask, answered, go_on, _):
        gone = ask("Rank", "a")
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        waiting = ask("Rank", "b")
        await asyncio.sleep(0)
        go_on()
        await waiting
    assert answered == ["Rank b"]


async def test_what_cannot_be_answered_in_time_is_refused_at_once() -> None:
    async with held(64) as (_, _answered, _go_on, thread):
        with pytest.raises(TooLateError):
            await thread.run("Rank", "a", lambda: None, remaining_s=0.001)


async def test_what_was_in_time_when_it_came_and_is_not_any_more_is_not_begun() -> None:
    began = []
    async with held(64) as (_, _answered, go_on, thread):
        late = asyncio.create_task(thread.run("Rank", "a", lambda: began.append(1), remaining_s=0.1))
        await asyncio.sleep(0.2)
        go_on()
        with pytest.raises(TooLateError):
            await late
    assert began == []


async def test_an_error_comes_back_and_the_thread_goes_on() -> None:
    thread = FairThread(4)
    try:
        with pytest.raises(ZeroDivisionError):
            await thread.run("Rank", "a", lambda: 1 // 0)
        assert await thread.run("Rank", "a", lambda: 7) == 7
    finally:
        thread.close()
