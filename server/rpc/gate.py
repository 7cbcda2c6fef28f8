"""What a call passes before its method begins: who calls, and whether there is room for it."""

from server.access.caller import CALLER, Caller
from server.call_counts import CallCounts
from server.limits.limits import Limits
from server.rpc.call_records import CallRecorder
from server.rpc.errors import Context
from server.rpc.security import Security


class Gate:
    """Lets calls in, one `enter` and one `leave` each.

    grpcio has a limit of its own, `maximum_concurrent_rpcs`, whose count has gone wrong in releases; and it
    tells the caller nothing.
    """

    def __init__(
        self, counts: CallCounts, security: Security, limits: Limits, recorder: CallRecorder | None = None
    ) -> None:
        """Lets calls in that security and the limits allow, counts them, and has them recorded."""
        self.counts = counts
        self.recorder = recorder
        self._admit = security.admit
        self._limits = limits

    def enter(self, method: str, context: Context) -> Caller:
        """Lets a call in, and returns who makes it; followed by `leave` unless it raises.

        Args:
            method: Name of the method, for example "Predict".
            context: The call's.

        Raises:
            UnauthenticatedError: Nothing that it shows says who makes it.
            PermissionDeniedError: Its caller may not call the method.
            OverloadedError: There is no room for it, or it comes too soon.
            TooLateError: It could not be answered in time.
        """
        limits = self._limits
        limits.check(method, context.time_remaining())  # first: to verify a token takes its time
        caller = self._admit(method, context)
        limits.enter(method, caller)
        CALLER.set(caller)
        self.counts.in_flight += 1
        return caller

    def leave(self, method: str, caller: Caller) -> None:
        """Counts a call out that `enter` has let in."""
        self.counts.in_flight -= 1
        self._limits.leave(method, caller)
