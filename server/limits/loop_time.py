"""How much of the event loop's time long answers may take."""

from time import monotonic

_SHARE = 0.5
_BURST_S = 0.05


class LoopTime:
    """A budget of the loop's time: half of it, and 50 ms at once.

    What takes a few milliseconds is answered at once, since a thread would have to wake; but only while there
    is little of it. A flood of it would keep everything else waiting in gRPC's core, where nobody counts.
    """

    def __init__(self) -> None:
        """Starts with nothing spent."""
        self._paid_until_s = 0.0

    def is_left(self) -> bool:
        """Returns whether the loop may take a long answer."""
        return self._paid_until_s <= monotonic() + _BURST_S

    def spend(self, seconds: float) -> None:
        """Counts what an answer has taken."""
        self._paid_until_s = max(self._paid_until_s, monotonic() - seconds) + seconds / _SHARE
