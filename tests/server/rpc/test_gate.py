"""Who counts as one caller."""

from typing import Any, cast

import pytest

from server.access.caller import Caller
from server.call_counts import CallCounts
from server.errors import OverloadedError
from server.limits.in_flight import InFlight
from server.limits.limits import Limits
from server.limits.loop_lag import LoopLag
from server.rpc.gate import Gate
from server.rpc.security import Security


class Context:
    """A call without a deadline."""

    def time_remaining(self) -> None:
        return None


def test_a_token_and_a_certificate_of_one_name_are_two_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else who may choose a token's subject could take all the room of somebody's certificate."""
    caller = Caller("player", "token")
    monkeypatch.setattr(Security, "admit", lambda *_: caller)
    gate = Gate(CallCounts(), Security(), Limits(InFlight(10), None, LoopLag(), 0.0))
    context = cast(Any, Context())
    for _ in range(8):  # four fifths
        gate.enter("PredictRandom", context)
    with pytest.raises(OverloadedError, match="of this caller"):
        gate.enter("PredictRandom", context)
    caller = Caller("player", "certificate")
    assert gate.enter("PredictRandom", context) == caller
    gate.leave("PredictRandom", caller)
