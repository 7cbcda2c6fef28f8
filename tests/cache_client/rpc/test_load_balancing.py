"""A client of several servers, by health."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from cache_client.rpc.client import PredictionClient
from cache_client.rpc.load_balancing import SERVICE_NAME
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from tests.cache_client.scripted_server import ScriptedServicer

SERVING, NOT_SERVING = (
    health_pb2.HealthCheckResponse.SERVING,
    health_pb2.HealthCheckResponse.NOT_SERVING,
)


class Server:
    """A scripted server whose health the test sets."""

    def __init__(self) -> None:  # noqa: D107
        self.servicer, self._health = ScriptedServicer(), health_aio.HealthServicer()
        self.server = grpc.aio.server()
        pb_grpc.add_PredictionServiceServicer_to_server(self.servicer, self.server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.server)
        self.port = self.server.add_insecure_port("127.0.0.1:0")

    async def report(self, status: int) -> None:
        await self._health.set(SERVICE_NAME, status)

    @property
    def calls(self) -> int:
        return len(self.servicer.requests)


@pytest_asyncio.fixture
async def two() -> AsyncIterator[list[Server]]:
    servers = [Server(), Server()]
    for each in servers:
        await each.report(SERVING)
        await each.server.start()
    yield servers
    for each in servers:
        await each.server.stop(None)


def target_of(servers: list[Server]) -> str:
    return "ipv4:" + ",".join(f"127.0.0.1:{each.port}" for each in servers)


async def until_called(client: PredictionClient, wanted: list[Server], others: list[Server]) -> None:
    """Calls until each of some servers has answered of ten calls, and none of the others."""
    async with asyncio.timeout(60):
        while True:
            before = {each.port: each.calls for each in (*wanted, *others)}
            for _ in range(10):
                await client.predict("loved", [])
            called = {each.port for each in (*wanted, *others) if each.calls > before[each.port]}
            if called == {each.port for each in wanted}:
                return


async def test_calls_take_turns_over_the_servers_that_report_health(two: list[Server]) -> None:
    first, second = two
    async with PredictionClient(target_of(two), load_balancing="round_robin") as client:
        await until_called(client, [first, second], [])
        await first.report(NOT_SERVING)
        await until_called(client, [second], [first])
        await first.report(SERVING)
        await until_called(client, [first, second], [])


async def test_by_default_one_server_is_called_and_not_asked_for_its_health(two: list[Server]) -> None:
    first, second = two
    await first.report(NOT_SERVING)
    async with PredictionClient(target_of(two)) as client:
        await until_called(client, [first], [second])
