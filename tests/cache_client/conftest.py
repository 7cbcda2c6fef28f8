"""A real grpc.aio server on a free port with a scripted servicer."""

from collections.abc import AsyncIterator

import grpc
import pytest
from hypothesis import settings

from cache_client.rpc.client import PredictionClient
from cache_client.rpc.retry import RetryPolicy
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from tests.cache_client.scripted_server import ScriptedServicer

# How long an example takes says nothing here: the machine may be busy.
settings.register_profile("untimed", deadline=None, max_examples=50)
settings.load_profile("untimed")


@pytest.fixture
def servicer() -> ScriptedServicer:
    return ScriptedServicer()


@pytest.fixture
async def target(servicer: ScriptedServicer) -> AsyncIterator[str]:
    """Serves the servicer on a free port; yields `HOST:PORT`."""
    server = grpc.aio.server()
    pb_grpc.add_PredictionServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(grace=None)


@pytest.fixture
async def client(target: str) -> AsyncIterator[PredictionClient]:
    retry = RetryPolicy(initial_backoff_s=0.01, max_backoff_s=0.02)
    async with PredictionClient(target, retry=retry) as client:
        yield client
