"""Who asks for long answers and takes none of them holds little memory, and gives it back."""

import asyncio
import socket
from dataclasses import replace
from typing import Any

import grpc
import pytest

from playthrough.v1 import prediction_service_pb2 as pb
from server import app
from server.rpc import servicer, unsent_answers
from server.rpc.unsent_answers import UnsentAnswers
from server.settings import ServerSettings
from tests.server.hostile.attack import ATTACKS, carry_out
from tests.server.hostile.frames import Calls

_LONGEST_S = 60.0


@pytest.mark.parametrize("name", ["zero-window", "slow-reader-unread"])
async def test_a_peer_that_does_not_read_is_refused_more_and_others_are_not(
    name: str, settings: ServerSettings, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unsent_answers, "MAX_CONNECTION_BYTES", 1 << 20)
    unsent = UnsentAnswers()
    monkeypatch.setattr(servicer, "UnsentAnswers", lambda: unsent)
    async with app.running(settings, lambda _line: None) as address:
        host, _, port = address.rpartition(":")
        attack = asyncio.create_task(
            asyncio.to_thread(
                carry_out,
                replace(ATTACKS[name], connections=2),
                calls,
                lambda: socket.create_connection((host, int(port)), timeout=_LONGEST_S),
                3.0,
            )
        )
        most = 0
        async with grpc.aio.insecure_channel(address) as channel:
            rank: Any = channel.unary_unary(
                calls.big.path, response_deserializer=pb.RankTracksResponse.FromString
            )
            while not attack.done():
                answer = await rank(calls.big.message)
                assert answer.tracks
                most = max(most, unsent.total_bytes)
                await asyncio.sleep(0.01)
        several = 4 * answer.ByteSize()  # that were under way as it came to be too much
        assert 2 << 20 <= most <= 2 * ((1 << 20) + several)
        async with asyncio.timeout(_LONGEST_S):
            while unsent.total_bytes:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    await attack
