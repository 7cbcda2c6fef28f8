"""How often a caller may call.

A call that never waits is under way for one step of the event loop, so that a limit on calls under way
never meets it: what limits such calls is their rate. Own code, since it stands before every call: `limits`
takes 7 to 14 µs for what takes under 1 here, and `aiolimiter` waits where this refuses, takes 2 µs and keeps
no table of callers.
"""

from collections import OrderedDict
from collections.abc import Hashable
from time import monotonic

from server.errors import OverloadedError

# Callers that are remembered: those seen last, some 3 MB of them. Who is forgotten starts with a full burst.
MOST_CALLERS = 10_000
_BURST_S = 1.0


class CallRate:
    """Limits the calls of each method by each caller: a second's worth at once, then at the rate.

    Source:
        The generic cell rate algorithm, ITU-T I.371, as virtual scheduling: a caller is one number, the time
        at which its calls so far would have ended had they come at the rate.
    """

    def __init__(self, most_per_s: float) -> None:
        """Starts with every caller at rest.

        Args:
            most_per_s: Calls a second.
        """
        self._interval_s = 1 / most_per_s
        self._burst_s = max(_BURST_S, self._interval_s)  # one call at least
        self._due_s: OrderedDict[tuple[Hashable, str], float] = OrderedDict()

    def enter(self, method: str, caller: Hashable) -> None:
        """Counts a call.

        Raises:
            OverloadedError: It comes too soon; tells when it would not.
        """
        key, now_s = (caller, method), monotonic()
        due_s = max(self._due_s.get(key, 0.0), now_s) + self._interval_s
        early_s = due_s - now_s - self._burst_s
        if early_s > 1e-9:  # rounding must not cost the last call of a burst
            raise OverloadedError("rate", early_s)
        self._due_s[key] = due_s
        self._due_s.move_to_end(key)
        if len(self._due_s) > MOST_CALLERS:
            self._due_s.popitem(last=False)
