"""Holds processes to a share of a core, so that a load generator on the same machine is not their limit."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

# Long enough for many rounds of calls: in a shorter one, all that is in flight is answered at once, and then
# the process has nothing to do.
_PERIOD_S = 0.2


@contextmanager
def held(pids: Sequence[int], share: float) -> Iterator[None]:
    """Lets each process run for its share of the time, one after the other, for the duration of a block.

    Args:
        pids: Processes that would use a whole core each.
        share: Share of a core that each may use; those of all together are at most 1.

    Raises:
        ValueError: When they are more.
    """
    if share * len(pids) > 1:
        raise ValueError("the shares are more than one core")
    done = threading.Event()
    turns = threading.Thread(target=_take_turns, args=(pids, share, done))
    try:
        turns.start()
        yield
    finally:
        done.set()
        turns.join()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _take_turns(pids: Sequence[int], share: float, done: threading.Event) -> None:
    """Lets one process after the other run, until told to end or one of them has died."""
    with contextlib.suppress(ProcessLookupError):
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        while not done.is_set():
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
                done.wait(_PERIOD_S * share)
                os.kill(pid, signal.SIGSTOP)
            done.wait(_PERIOD_S * (1 - share * len(pids)))
