"""How long and how many connections are: hostile ones are gone, and good clients do not notice."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.load.servers import our_server, running
from cache_client import PredictionClient
from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server import app
from server.rpc import channel_options
from server.rpc.channel_options import ConnectionLimits
from server.settings import ServerSettings
from tests.server.conftest import NOWHERE
from tests.server.hostile.attack import ATTACKS, Attack, carry_out
from tests.server.hostile.frames import Calls
from tests.server.hostile.good_client import calling
from tests.server.hostile.stalls import idle

_LONGEST_S = 30.0
_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)

Running = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture
def server(settings: ServerSettings) -> Running:
    """Runs a server with settings changed; yields its address."""

    @asynccontextmanager
    async def run(**changes: Any) -> AsyncIterator[str]:
        async with app.running(settings.model_copy(update=changes), lambda _line: None) as address:
            yield address

    return run


def connect_to(address: str) -> Callable[[], socket.socket]:
    """Returns what makes a connection to a server."""
    host, _, port = address.rpartition(":")
    return lambda: socket.create_connection((host, int(port)), timeout=_LONGEST_S)


async def test_what_stalls_is_ended_by_handshake_timeout_or_age_beside_a_good_client(
    server: Running,
    calls: Calls,
    request_of_good_client: pb.PredictRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channel_options, "AGE_GRACE_MS", 2_000)
    monkeypatch.setattr(channel_options, "HANDSHAKE_TIMEOUT_MS", 1_000)
    names = ("silent", "half-preface", "no-settings", "half-headers", "half-body", "zero-window", "idle")
    attacks = [replace(ATTACKS[name], connections=2) for name in (*names, "dribble")]
    async with (
        server(max_connection_age_s=1.0) as address,
        calling(address, request_of_good_client) as tally,
    ):
        connect = connect_to(address)
        fates = await asyncio.gather(
            *(asyncio.to_thread(carry_out, attack, calls, connect, _LONGEST_S) for attack in attacks)
        )
    assert [(fate.connected, fate.ended) for fate in fates] == [(2, 2)] * len(attacks)
    assert not tally.failed


async def test_no_call_fails_as_connections_come_of_age(
    server: Running, request_of_good_client: pb.PredictRequest
) -> None:
    connected = asyncio.Semaphore(0)
    done = False

    async def call_on(channel: grpc.aio.Channel) -> None:
        stub: Any = pb_grpc.PredictionServiceStub(channel)
        while not done:
            await stub.Predict(request_of_good_client)  # raises what any call raised; nothing is repeated

    async def count_connections(channel: grpc.aio.Channel) -> None:
        while True:
            state = channel.get_state()
            if state is grpc.ChannelConnectivity.READY:
                connected.release()
            await channel.wait_for_state_change(state)

    async with (
        server(max_connection_age_s=0.2) as address,
        grpc.aio.insecure_channel(address, options=_OWN_CONNECTION) as channel,
    ):
        counting = asyncio.create_task(count_connections(channel))
        callers = [asyncio.create_task(call_on(channel)) for _ in range(16)]
        async with asyncio.timeout(_LONGEST_S):
            for _ in range(8):
                await connected.acquire()
        done = True
        await asyncio.gather(*callers)
        counting.cancel()


async def test_a_health_stream_ends_with_its_connection_and_can_be_opened_again(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_options, "AGE_GRACE_MS", 200)
    async with server(max_connection_age_s=0.2) as address, grpc.aio.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        for _ in range(2):
            watched = stub.Watch(health_pb2.HealthCheckRequest(service=""))
            assert (await watched.read()).status == health_pb2.HealthCheckResponse.SERVING
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await watched.read()
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_connections_beyond_the_limit_are_refused_and_those_that_stand_are_served(
    server: Running, calls: Calls, request_of_good_client: pb.PredictRequest
) -> None:
    async with server(max_connections=5) as address:
        async with calling(address, request_of_good_client) as tally:
            hoard = Attack(idle, connections=20)
            fate = await asyncio.to_thread(carry_out, hoard, calls, connect_to(address), 0.5)
        assert (fate.connected, fate.ended) == (20, 16)
        assert not tally.failed
        async with calling(address, request_of_good_client) as after:
            pass
        assert not after.failed


async def test_the_client_library_may_make_any_number_of_calls_at_once_on_one_connection(
    server: Running, track_ids: list[str]
) -> None:
    async with server() as address, PredictionClient(address, deadline_s=_LONGEST_S) as client:
        answers = await asyncio.gather(*(client.predict(track_ids[0], ["rock"]) for _ in range(1_000)))
    assert len(answers) == 1_000


async def test_a_gateway_with_one_connection_and_hundreds_of_calls_at_once_is_refused_none(
    server: Running, request_of_good_client: pb.PredictRequest
) -> None:
    async with server() as address, grpc.aio.insecure_channel(address, options=_OWN_CONNECTION) as channel:
        stub: Any = pb_grpc.PredictionServiceStub(channel)

        async def call_again_and_again() -> None:
            for _ in range(10):
                await stub.Predict(request_of_good_client)  # raises what any call raised; nothing is repeated

        await asyncio.gather(*(call_again_and_again() for _ in range(400)))


@pytest.mark.parametrize(
    ("files", "connections"), [(1_024, 768), (300, 150), (20_000, 10_000), (resource.RLIM_INFINITY, 10_000)]
)
def test_connections_leave_files_for_the_spool(
    files: int, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (files, files))
    limits = ConnectionLimits(max_connections=10_000, max_streams=1, max_age_s=0)
    options = dict(channel_options.channel_options(limits, share_port=False))
    assert options["grpc.max_allowed_incoming_connections"] == connections
    assert "grpc.max_connection_age_ms" not in options


async def test_a_client_that_stays_meets_every_worker(
    data_directory: Path, registry_directory: Path, tmp_path: Path, request_of_good_client: pb.PredictRequest
) -> None:
    command = our_server(data_directory, registry_directory, "--workers", "2")
    environment = {"PLAYTHROUGH_MAX_CONNECTION_AGE_S": "0.2", "PLAYTHROUGH_VAR_DIR": str(tmp_path / "var")}
    with running(command, MONGODB_URI=NOWHERE, **environment) as server:
        met: set[int] = set()
        async with (
            asyncio.timeout(_LONGEST_S),
            grpc.aio.insecure_channel(server.address, options=_OWN_CONNECTION) as channel,
        ):
            stub: Any = pb_grpc.PredictionServiceStub(channel)
            while len(met) < 2:
                await stub.Predict(request_of_good_client, wait_for_ready=True)
                met |= serving_workers(server.pid, int(server.address.rpartition(":")[2]))


def serving_workers(supervisor: int, port: int) -> set[int]:
    """Returns which of a supervisor's children hold a connection to the port."""
    table = [
        row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()
    ]
    inodes = {row[9] for row in table if row[1].endswith(f":{port:04X}") and row[3] == "01"}
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return {
        int(child)
        for child in children
        for file in Path(f"/proc/{child}/fd").iterdir()
        if _inode(file) in inodes
    }


def _inode(file: Path) -> str:
    """Returns the inode of an open socket, or "" when it is closed by now."""
    try:
        return file.readlink().name.removeprefix("socket:[").removesuffix("]")
    except FileNotFoundError:
        return ""
