"""Whether a call is let in."""

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from server.call_counts import Tally
from server.errors import OverloadedError, TooLateError
from server.limits.call_rate import CallRate
from server.limits.in_flight import InFlight
from server.limits.loop_lag import LoopLag
from server.settings import ServerSettings

LONG_METHODS = frozenset({"RankTracks", "PlanPrefetch"})
"""Methods whose calls take milliseconds of a core: they are the first to be refused."""

# They answer in the step that lets them in: nothing is left to wait for, and two are never under way.
_ANSWERED_AT_ONCE = frozenset({"Predict", "ListModels"})
# Times the lag from which long calls are refused.
_SHORT_TIMES = 4
_LONGEST_RETRY_S = 5.0


class Limits:
    """All that a call is held against before it begins."""

    def __init__(self, in_flight: InFlight, rate: CallRate | None, lag: LoopLag, most_lag_s: float) -> None:
        """Combines the limits.

        Args:
            in_flight: Room for calls under way.
            rate: Calls a second of a caller; None for any number.
            lag: How late the loop is.
            most_lag_s: Lag above which long calls are refused, and above four times as much all; 0 for none.
        """
        self._in_flight, self._rate, self._lag, self._most_lag_s = in_flight, rate, lag, most_lag_s

    def check(self, method: str, remaining_s: float | None) -> None:
        """Raises why a call would not be let in, whoever makes it.

        Args:
            method: Name of the method.
            remaining_s: How long the caller waits for the answer, in seconds; None for ever.

        Raises:
            OverloadedError: The event loop is too late.
            TooLateError: It could not be answered in time.
        """
        lag_s = self._lag.standing_s
        if remaining_s is not None and remaining_s <= (0.0 if method in _ANSWERED_AT_ONCE else lag_s):
            raise TooLateError
        if lag_s and self._most_lag_s:
            times = 1 if method in LONG_METHODS else _SHORT_TIMES
            if lag_s > times * self._most_lag_s:
                raise OverloadedError("loop_lag", min(2 * lag_s, _LONGEST_RETRY_S))

    def enter(self, method: str, caller: Hashable) -> None:
        """Lets a caller's call in; followed by `leave` unless it raises.

        Raises:
            OverloadedError: There is no room for it, or it comes too soon.
        """
        if self._rate is not None:
            self._rate.enter(method, caller)
        if method not in _ANSWERED_AT_ONCE:
            self._in_flight.enter(method, caller)

    def leave(self, method: str, caller: Hashable) -> None:
        """Counts a call out that `enter` has let in."""
        if method not in _ANSWERED_AT_ONCE:
            self._in_flight.leave(method, caller)


@asynccontextmanager
async def limiting(settings: ServerSettings, lags: Tally) -> AsyncIterator[Limits]:
    """Yields the limits that settings ask for, with a look at the loop's lag for the duration of a block.

    Args:
        settings: The server's.
        lags: Where the looks are counted, in seconds.
    """
    lag, per_s = LoopLag(lags), settings.max_calls_per_s
    async with lag.watching():
        rate = None if per_s is None else CallRate(per_s)
        yield Limits(InFlight(settings.max_in_flight), rate, lag, settings.max_loop_lag_ms / 1000)
