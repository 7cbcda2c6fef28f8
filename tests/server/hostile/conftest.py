"""One server for all attacks, in a process of its own, so that its memory says something."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.load.servers import Running, our_server, running
from playthrough.v1 import prediction_service_pb2 as pb
from tests.server.conftest import NOWHERE
from tests.server.hostile.frames import Calls
from tests.server.hostile.targets import calls_of, predict_request
from tests.server.tiny_models import save_tiny_model


@pytest.fixture(scope="session")
def calls(data_directory: Path) -> Calls:
    """What attacks call."""
    return calls_of(data_directory)


@pytest.fixture(scope="session")
def request_of_good_client(data_directory: Path) -> pb.PredictRequest:
    """What the client beside them calls."""
    return predict_request(data_directory)


@pytest.fixture(scope="session")
def attacked(data_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with the settings that it has by default."""
    folder = tmp_path_factory.mktemp("attacked")
    save_tiny_model(folder / "models", "simple", "1")
    command = our_server(data_directory, folder / "models")
    with running(command, PLAYTHROUGH_VAR_DIR=str(folder / "var"), MONGODB_URI=NOWHERE) as server:
        yield server
