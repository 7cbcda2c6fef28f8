"""What a call passes before its method begins: who calls, and whether there is room for it."""

from server.access.caller import Caller
from server.call_counts import CallCounts
from server.errors import OverloadedError
from server.rpc.errors import Context
from server.rpc.security import Security


class Gate:
    """Lets calls in, one `enter` and one `leave` each.

    grpcio has a limit of its own, `maximum_concurrent_rpcs`, whose count has gone wrong in releases; and it
    tells the caller nothing.
    """

    def __init__(self, counts: CallCounts, max_in_flight: int, security: Security) -> None:
        """Lets `max_in_flight` calls be under way at once, of callers that `security` admits."""
        self.counts = counts
        self._admit = security.admit
        self._max_in_flight = max_in_flight

    def enter(self, method: str, context: Context) -> Caller:
        """Lets a call in, and returns who makes it; followed by `leave` unless it raises.

        Args:
            method: Name of the method, for example "Predict".
            context: The call's.

        Raises:
            OverloadedError: There is no room for it.
            UnauthenticatedError: Nothing that it shows says who makes it.
            PermissionDeniedError: Its caller may not call the method.
        """
        if self.counts.in_flight >= self._max_in_flight:
            raise OverloadedError
        caller = self._admit(method, context)
        self.counts.in_flight += 1
        return caller

    def leave(self, method: str, caller: Caller) -> None:
        """Counts a call out that `enter` has let in."""
        self.counts.in_flight -= 1
