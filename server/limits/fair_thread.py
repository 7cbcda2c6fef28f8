"""A thread for what is too long for the event loop, which kinds of work and callers share."""

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

from server.errors import OverloadedError, TooLateError

Answer = TypeVar("Answer")

# How much a newer time counts in the mean.
_NEWEST = 0.2
# What a piece of work is thought to take before one was seen, in seconds.
_ASSUMED_S = 0.01


@dataclass(eq=False, slots=True)
class _Job:
    """A piece of work: what it is, until when its answer is wanted, and who waits for it."""

    work: Callable[[], Any]
    until_s: float
    answer: "asyncio.Future[Any]"


@dataclass(slots=True)
class _Line:
    """One kind's work that waits, by caller, who is next first; and how long a piece takes, in seconds."""

    jobs: OrderedDict[Hashable, deque[_Job]] = field(default_factory=OrderedDict)
    mean_s: float = _ASSUMED_S

    @property
    def n_jobs(self) -> int:
        return sum(map(len, self.jobs.values()))

    def before(self, caller: Hashable) -> int:
        """Returns how many pieces come before the caller's next one."""
        own = len(self.jobs.get(caller, ()))
        return sum(min(len(jobs), own + 1) for name, jobs in self.jobs.items() if name != caller) + own

    def take(self) -> _Job:
        """Takes the next piece out: callers take turns."""
        caller, jobs = self.jobs.popitem(last=False)
        job = jobs.popleft()
        if jobs:
            self.jobs[caller] = jobs  # behind the others
        return job

    def remove(self, caller: Hashable, job: _Job) -> None:
        jobs = self.jobs.get(caller)
        if jobs is not None and job in jobs:
            jobs.remove(job)
            if not jobs:
                del self.jobs[caller]


class FairThread:
    """Runs work in one thread: its kinds take turns, and so do the callers of each.

    One thread: a second would only fight the event loop harder for the interpreter. When a kind's line is
    full, the caller who has most in it loses the latest piece, so that a greedy one pushes nobody out. Used
    from one event loop.

    Source:
        McKenney, "Stochastic fairness queueing", IEEE INFOCOM 1990, with a queue a caller in place of hashes.
    """

    def __init__(self, most_waiting: int) -> None:
        """Starts idle.

        Args:
            most_waiting: How many pieces of one kind may wait.
        """
        self._most_waiting = most_waiting
        self._lines: OrderedDict[str, _Line] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="long-answers")
        self._is_busy = False

    async def run(
        self, kind: str, caller: Hashable, work: Callable[[], Answer], remaining_s: float | None = None
    ) -> Answer:
        """Returns the answer of work; cancelled while it waits, it is not begun.

        Args:
            kind: Of which kind it is.
            caller: Who asks.
            work: What to do.
            remaining_s: How long the caller waits, in seconds; None for ever.

        Raises:
            OverloadedError: Too much waits already.
            TooLateError: It would not be answered in time.
        """
        line = self._lines.setdefault(kind, _Line())
        wait_s = line.mean_s * (line.before(caller) + self._is_busy) * max(1, self._n_waiting_kinds())
        if remaining_s is not None and remaining_s < wait_s:
            raise TooLateError
        if line.n_jobs >= self._most_waiting:
            _make_room(line, caller, wait_s)
        until_s = math.inf if remaining_s is None else monotonic() + remaining_s
        job = _Job(work, until_s, asyncio.get_running_loop().create_future())
        line.jobs.setdefault(caller, deque()).append(job)
        self._begin_next()
        try:
            answer: Answer = await job.answer
            return answer
        finally:
            line.remove(caller, job)

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _n_waiting_kinds(self) -> int:
        return sum(1 for line in self._lines.values() if line.jobs)

    def _begin_next(self) -> None:
        if self._is_busy:
            return
        for kind, line in self._lines.items():
            if line.jobs:
                self._lines.move_to_end(kind)
                self._is_busy = True
                self._begin(line, line.take())
                return

    def _begin(self, line: _Line, job: _Job) -> None:
        began_s = monotonic()

        def in_time() -> Any:
            if monotonic() > job.until_s:
                raise TooLateError
            return job.work()

        def done(finished: "asyncio.Future[Any]") -> None:
            if not finished.cancelled() and finished.exception() is None:
                line.mean_s += _NEWEST * (monotonic() - began_s - line.mean_s)
            self._is_busy = False
            _hand_over(finished, job.answer)
            self._begin_next()

        asyncio.get_running_loop().run_in_executor(self._thread, in_time).add_done_callback(done)


def _make_room(line: _Line, caller: Hashable, retry_after_s: float) -> None:
    """Takes the latest piece of the caller who has most from a full line.

    Raises:
        OverloadedError: That is the caller who asks.
    """
    most = max(line.jobs, key=lambda name: len(line.jobs[name]), default=caller)
    own, most_held = len(line.jobs.get(caller, ())), len(line.jobs.get(most, ()))
    if own + 1 >= most_held:
        raise OverloadedError("caller" if own >= most_held else "method", retry_after_s)
    dropped = line.jobs[most].pop()
    if not dropped.answer.done():
        dropped.answer.set_exception(OverloadedError("caller", retry_after_s))


def _hand_over(finished: "asyncio.Future[Any]", answer: "asyncio.Future[Any]") -> None:
    """Gives a result or an error to who waits for it, if anybody still does."""
    error = None if finished.cancelled() else finished.exception()
    if answer.done():
        return
    if finished.cancelled():
        answer.cancel()
    elif error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(finished.result())
