import asyncio
import threading

import pytest

from server.daemon_thread import abandon, run_in_daemon_thread


async def test_the_result_and_what_it_raises_come_back() -> None:
    assert await run_in_daemon_thread(int, "10", base=2) == 2
    with pytest.raises(ValueError, match="invalid literal"):
        await run_in_daemon_thread(int, "x")


def test_a_loop_ends_without_a_thread_that_was_given_up() -> None:
    go_on, ended = threading.Event(), threading.Event()

    def load() -> None:
        go_on.wait(60)
        ended.set()
        raise LookupError("seen by nobody, on a loop that is closed")

    async def start() -> None:
        abandon(run_in_daemon_thread(load))

    asyncio.run(start())
    assert not ended.is_set()
    go_on.set()
    assert ended.wait(60)


async def test_an_error_that_was_given_up_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    future = run_in_daemon_thread(int, "x")
    await asyncio.wait([future])
    abandon(future)
    del future
    assert not caplog.records
