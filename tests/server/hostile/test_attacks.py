"""A good client beside each attack: it is answered, and the server's memory is bounded and comes back.

`python -m benchmarks.hostile` measures the same attacks at length.
"""

import asyncio
import socket

import pytest

from benchmarks.load.servers import Running, forget_peak, peak_mb, resident_mb
from playthrough.v1 import prediction_service_pb2 as pb
from tests.server.hostile.attack import ATTACKS, carry_out
from tests.server.hostile.frames import Calls
from tests.server.hostile.good_client import calling

_SECONDS = 0.2
_LONGEST_S = 20.0  # for the server to end a connection, on a machine that is busy
_MOST_GROWTH_MB, _MOST_LEFT_MB = 192.0, 64.0

# Attackers whom gRPC's core throws out; the others are held back by limits, and age ends them.
_THROWN_OUT = {
    "made-you-reset",
    "empty-continuation",
    "empty-data",
    "http1",
    "tls",
    "noise",
    "oversize-frame",
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_good_client_is_answered_beside(
    name: str, attacked: Running, calls: Calls, request_of_good_client: pb.PredictRequest
) -> None:
    def connect() -> socket.socket:
        host, _, port = attacked.address.rpartition(":")
        return socket.create_connection((host, int(port)), timeout=_LONGEST_S)

    before_mb = resident_mb(attacked.pid)
    forget_peak(attacked.pid)
    seconds = _LONGEST_S if name in _THROWN_OUT else _SECONDS
    async with calling(attacked.address, request_of_good_client) as tally:
        fate = await asyncio.to_thread(carry_out, ATTACKS[name], calls, connect, seconds)

    assert fate.connected == ATTACKS[name].connections
    assert fate.ended == fate.connected or name not in _THROWN_OUT
    assert tally.latencies_ms
    assert not tally.failed
    assert peak_mb(attacked.pid) - before_mb < _MOST_GROWTH_MB
    assert resident_mb(attacked.pid) - before_mb < _MOST_LEFT_MB
    async with calling(attacked.address, request_of_good_client) as after:
        pass  # a new connection is answered
    assert not after.failed
