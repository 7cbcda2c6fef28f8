"""A tiny catalogue with two tiny models, a real embedded database, and the real server on a free port."""

import gc
import uuid
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from pydantic import SecretStr

from data import generate, read_catalogue
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server import app
from server.log.mongo.embedded.database import EmbeddedMongo, find_program
from server.log.record import PredictionRecord
from server.settings import ServerSettings
from server.stop_budget import StopBudget
from server.storage import storing
from tests.server.records import record
from tests.server.tiny_models import save_tiny_model

Stub = Any  # the generated stub is typed for blocking channels only
SaveModel = Callable[[Path, str, str], None]
ServerFactory = Callable[..., AbstractAsyncContextManager[Stub]]

NOWHERE = "mongodb://127.0.0.1:9/nowhere"

# PyMongo 4.20 forgets to close a socket when its monitor is cancelled while it connects
# (`_async_create_connection` handles errors, not cancellation): a client closes whose MongoDB is away.
_FORGOTTEN_SOCKET = "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"


def pytest_configure(config: pytest.Config) -> None:
    """Lets that warning pass, whenever the garbage collector comes across such a socket."""
    config.addinivalue_line("filterwarnings", _FORGOTTEN_SOCKET)


@pytest.fixture(scope="session", autouse=True)
def _collect_forgotten_sockets() -> Iterator[None]:
    """Collects the last of them before pytest does so itself, outside of the filter above."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="session")
def data_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated data set of 40 tracks."""
    directory = tmp_path_factory.mktemp("data")
    generate(directory, listeners=5, tracks=40, plays=200)
    return directory


@pytest.fixture(scope="session")
def save_model() -> SaveModel:
    """Writes an artifact of random weights; the advanced one has the lower log loss."""
    return save_tiny_model


@pytest.fixture
def registry_directory(tmp_path: Path, save_model: SaveModel) -> Path:
    """A registry with a `simple` and a better `advanced` model."""
    registry = tmp_path / "registry"
    save_model(registry, "simple", "1")
    save_model(registry, "advanced", "1")
    return registry


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def mongodb_address(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The `mongodb://HOST:PORT` of one embedded database for all tests."""
    if find_program() is None:
        pytest.skip("secantusd-py is not installed: pip install 'playthrough[embedded]'")
    embedded = EmbeddedMongo(tmp_path_factory.mktemp("mongodb"))
    uri = await embedded.start()
    yield uri.rpartition("/")[0]
    await embedded.stop()


@pytest.fixture
def mongodb_uri(mongodb_address: str) -> str:
    """A database of its own in the embedded MongoDB."""
    return f"{mongodb_address}/test_{uuid.uuid4().hex}"


@pytest.fixture
def settings(data_directory: Path, registry_directory: Path, tmp_path: Path) -> ServerSettings:
    """Settings of a server on a free port whose MongoDB is not there."""
    return ServerSettings(
        data=data_directory,
        models=registry_directory,
        port=0,
        var_dir=tmp_path / "var",
        mongodb_uri=SecretStr(NOWHERE),
        drain_grace_s=1.0,
    )


@pytest.fixture(autouse=True)
def _delivery_only_to_a_mongodb(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves delivery, a process that takes a second to start, to the tests that name a MongoDB."""

    @asynccontextmanager
    async def storing_somewhere(
        settings: ServerSettings, announce: Callable[[str], None], budget: StopBudget
    ) -> AsyncIterator[ServerSettings]:
        if settings.external_mongodb_uri == NOWHERE:
            yield settings
            return
        async with storing(settings, announce, budget) as stored:
            yield stored

    monkeypatch.setattr(app, "storing", storing_somewhere)


@pytest.fixture
def serving(settings: ServerSettings) -> ServerFactory:
    """Runs the real server, with settings changed as the test likes, and yields a stub for it."""

    @asynccontextmanager
    async def run(**changes: Any) -> AsyncIterator[Stub]:
        changed = settings.model_copy(update=changes)
        async with (
            app.running(changed, lambda _line: None) as address,
            grpc.aio.insecure_channel(address) as channel,
        ):
            yield pb_grpc.PredictionServiceStub(channel)

    return run


@pytest.fixture
def track_ids(data_directory: Path) -> list[str]:
    """The catalogue's tracks."""
    return list(read_catalogue(data_directory).track_ids)


@pytest.fixture
def make_record() -> Callable[[int], PredictionRecord]:
    """Makes the n-th record."""
    return record
