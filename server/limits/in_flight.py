"""Room for calls under way, by method and by caller."""

import random
from collections.abc import Hashable
from dataclasses import dataclass, field

from server.errors import OverloadedError

# Of what is free: a lone caller gets four fifths of a method's room, the next one four fifths of the rest.
_TIMES_FREE = 4
# Calls take milliseconds; so late that a full room has emptied, and not all at once.
_RETRY_AFTER_S = 0.5, 1.5


@dataclass(slots=True)
class _Room:
    """One method's calls under way: how many in all, and of each caller that has some."""

    taken: int = 0
    by_caller: dict[Hashable, int] = field(default_factory=dict)


class InFlight:
    """Counts calls under way. Each method has room of its own, which its callers share.

    A caller may hold as many calls as four times what is free. That needs no setting, leaves a caller that is
    alone nearly all, and always leaves something to the next one. Callers without a call are not kept.

    Source:
        Choudhury, Hahne, "Dynamic queue length thresholds for shared-memory packet switches", IEEE/ACM
        Transactions on Networking, 1998.
    """

    def __init__(self, most: int) -> None:
        """Starts with none.

        Args:
            most: How many calls of one method may be under way.
        """
        self._most = most
        self._rooms: dict[str, _Room] = {}

    def enter(self, method: str, caller: Hashable) -> None:
        """Counts a call in; followed by `leave` unless it raises.

        Raises:
            OverloadedError: The method has no room, or none for this caller.
        """
        room = self._rooms.get(method)
        if room is None:
            room = self._rooms[method] = _Room()
        held, free = room.by_caller.get(caller, 0), self._most - room.taken
        if held >= _TIMES_FREE * free:
            raise OverloadedError("caller" if free else "in_flight", random.uniform(*_RETRY_AFTER_S))
        room.by_caller[caller] = held + 1
        room.taken += 1

    def leave(self, method: str, caller: Hashable) -> None:
        """Counts a call out."""
        room = self._rooms[method]
        room.taken -= 1
        held = room.by_caller[caller]
        if held > 1:
            room.by_caller[caller] = held - 1
        else:
            del room.by_caller[caller]
