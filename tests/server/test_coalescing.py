import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from server.call_counts import CallCounts
from server.coalescing import Coalescer


class Echo:
    """Answers half of the number that a track's id is, and remembers its passes."""

    def __init__(self, *, broken: bool = False) -> None:  # noqa: D107
        self.passes: list[int] = []
        self._broken = broken

    def start(self, track_id: str, favourite_genres: tuple[str, ...], context: Any) -> NDArray[np.float32]:
        return np.array([float(track_id)], dtype=np.float32)

    def finish(self, started: Sequence[NDArray[np.float32]]) -> list[float]:
        self.passes.append(len(started))
        if self._broken:
            raise ValueError("broken")
        return [float(number[0]) / 2 for number in started]


@pytest.fixture
def counts() -> CallCounts:
    """Others are under way."""
    return CallCounts(in_flight=50)


@pytest_asyncio.fixture
async def coalescer(counts: CallCounts) -> Coalescer:
    return Coalescer(counts)


def ask(coalescer: Coalescer, predictor: Any, number: int) -> "asyncio.Task[float]":
    return asyncio.create_task(coalescer.predict(predictor, str(number), ()))


async def test_predictions_that_wait_together_share_a_pass_and_each_gets_its_own(
    coalescer: Coalescer,
) -> None:
    echo = Echo()
    answers = await asyncio.gather(*(ask(coalescer, echo, number) for number in range(50)))
    assert answers == [number / 2 for number in range(50)]
    assert echo.passes == [50]
    assert coalescer.batch_sizes == {50: 1}


async def test_a_call_that_is_alone_is_answered_on_the_spot(coalescer: Coalescer, counts: CallCounts) -> None:
    echo: Any = Echo()
    counts.in_flight = 1
    with pytest.raises(StopIteration) as answered:
        coalescer.predict(echo, "8", ()).send(None)  # one step, without any turn of the event loop
    assert answered.value.value == 4
    assert coalescer.batch_sizes == {1: 1}


async def test_nobody_waits_for_company(coalescer: Coalescer) -> None:
    echo: Any = Echo()
    asked = coalescer.predict(echo, "8", ())
    future: asyncio.Future[float] = asked.send(None)
    await asyncio.sleep(0)  # one turn of the event loop, no time
    assert future.result() == 4
    asked.close()


async def test_a_caller_that_goes_disturbs_nobody_and_its_work_is_not_done(coalescer: Coalescer) -> None:
    echo = Echo()
    first, gone, last = (ask(coalescer, echo, number) for number in (2, 4, 6))
    asyncio.get_running_loop().call_soon(gone.cancel)  # once all three have taken their seats
    assert (await first, await last) == (1, 3)
    assert gone.cancelled()
    assert echo.passes == [2]
    alone = ask(coalescer, echo, 8)
    asyncio.get_running_loop().call_soon(alone.cancel)
    await asyncio.wait([alone])
    assert alone.cancelled()
    assert echo.passes == [2]


async def test_each_model_has_its_own_pass_and_an_error_is_its_own_callers(coalescer: Coalescer) -> None:
    good, bad = Echo(), Echo(broken=True)
    failing, fine = ask(coalescer, bad, 1), ask(coalescer, good, 2)
    assert await fine == 1
    with pytest.raises(ValueError, match="broken"):
        await failing
