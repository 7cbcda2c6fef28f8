"""How many lines a log may grow by, whatever callers do."""

import logging
import time
from collections.abc import Callable

# Loggers that a caller can make speak: what it sends decides how often.
_CALLERS_REACH = ("server.rpc.", "server.access.", "server.limits.", "server.log.", "grpc.", "asyncio.")
# Of one event; a traceback has some 2 KB, so that the worst is below 2 GB a day.
_LINES_PER_S = 10
# A library's message may differ each time; then the oldest budget is forgotten.
_MAX_EVENTS = 200


class LineBudget:
    """So many lines a second, and a count of those beyond."""

    def __init__(self, lines_per_s: int, now_s: Callable[[], float] = time.monotonic) -> None:
        """Begins with a second in which no line was written."""
        self._lines_per_s = lines_per_s
        self._now_s = now_s
        self._second = -1
        self._lines = 0
        self._dropped = 0

    def spend(self) -> bool:
        """Returns whether there is room for a line, and counts it, or that it is dropped."""
        second = int(self._now_s())
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > self._lines_per_s:
            self._dropped += 1
            return False
        return True

    def take_dropped(self) -> int:
        """Returns how many lines were dropped since it was last asked."""
        dropped, self._dropped = self._dropped, 0
        return dropped


class FloodFilter(logging.Filter):
    """Drops records that callers could fill the disk with; the next one of the kind says how many."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        """Begins with the whole budget for every event."""
        super().__init__()
        self._now_s = now_s
        self._budgets: dict[tuple[str, str], LineBudget] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Returns whether a record is to be written, and adds how many before it were not."""
        if not f"{record.name}.".startswith(_CALLERS_REACH):
            return True
        budget = self._budget(record)
        if not budget.spend():
            return False
        if dropped := budget.take_dropped():
            if isinstance(record.msg, dict):  # structlog's
                record.msg["dropped"] = dropped
            else:
                record.dropped = dropped
        return True

    def _budget(self, record: logging.LogRecord) -> LineBudget:
        event = record.msg.get("event") if isinstance(record.msg, dict) else record.msg
        key = (record.name, str(event))
        budget = self._budgets.get(key)
        if budget is None:
            if len(self._budgets) >= _MAX_EVENTS:
                self._budgets.pop(next(iter(self._budgets)), None)  # another thread may have done so
            budget = self._budgets[key] = LineBudget(_LINES_PER_S, self._now_s)
        return budget
