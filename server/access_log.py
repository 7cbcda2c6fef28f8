"""The access log: a line for some of the calls, and for those that fail on the server's side.

A line says who called what and how it ended, and nothing of the listener: no track, genre or id of theirs, no
token, and no address, which is personal data.
"""

import random
from collections.abc import Mapping

import structlog

from server.daemon_thread import run_in_daemon_thread
from server.line_budget import LineBudget

# What the server has to answer for; how many there are, no caller decides alone. DEADLINE_EXCEEDED is none of
# them: it refuses calls whose deadline is too near, and that is the caller's.
_SERVER_FAILURES = frozenset({"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DATA_LOSS"})
# Some 50 microseconds each: half a percent of a core. Failures have as many again, which no flood of other
# calls takes from them.
_LINES_PER_S = 100
# While stderr takes nothing, lines wait, and then are dropped; no call ever does.
_MAX_WAITING = 1_000

_log = structlog.get_logger("server.access_log")


class AccessLog:
    """Collects lines as calls end, and writes them aside."""

    def __init__(self, sample: float) -> None:
        """Takes a share of all calls, between 0 and 1, and every failure of the server's."""
        self._sample, self._random = sample, random.Random()
        self._budgets = LineBudget(_LINES_PER_S), LineBudget(_LINES_PER_S)
        self._waiting: list[Mapping[str, object]] = []
        self._overflowed = 0

    def wants(self, code: str) -> bool:
        """Returns whether a call gets a line, by the name of its status code."""
        failed = code in _SERVER_FAILURES
        if not failed and self._random.random() >= self._sample:
            return False
        return self._budgets[failed].spend()

    def add(self, line: Mapping[str, object]) -> None:
        """Has a line written soon."""
        if len(self._waiting) < _MAX_WAITING:
            self._waiting.append(line)
        else:
            self._overflowed += 1

    async def write(self) -> None:
        """Writes what waits, from a thread: stderr may be slow, or take nothing at all."""
        if self._waiting or self._overflowed:
            await run_in_daemon_thread(self.write_now)

    def write_now(self) -> None:
        """Writes what waits."""
        lines, self._waiting = self._waiting, []
        overflowed, self._overflowed = self._overflowed, 0
        for line in lines:
            _log.info("call", **line)
        if dropped := overflowed + sum(budget.take_dropped() for budget in self._budgets):
            _log.warning("calls_not_logged", dropped=dropped)
