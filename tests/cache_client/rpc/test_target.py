"""Where a target leads: a host alone means the server's own port."""

import pytest

from cache_client import PredictionClient
from cache_client.rpc.errors import InvalidTarget
from cache_client.rpc.target import with_port


@pytest.mark.parametrize(
    ("target", "dialled"),
    [
        ("localhost", "localhost:50051"),
        ("localhost:", "localhost:50051"),
        ("localhost:443", "localhost:443"),
        ("10.0.0.1", "10.0.0.1:50051"),
        ("::1", "[::1]:50051"),
        ("[::1]", "[::1]:50051"),
        ("[::1]:443", "[::1]:443"),
        ("dns:///predictions.example", "dns:///predictions.example"),
        ("unix:/run/playthrough.sock", "unix:/run/playthrough.sock"),
    ],
)
def test_a_host_without_a_port_means_the_servers_port(target: str, dialled: str) -> None:
    assert with_port(target) == dialled


@pytest.mark.parametrize("target", ["http://localhost:50051", "HTTPS://localhost:50051/"])
def test_a_web_address_is_refused_by_what_to_write_instead(target: str) -> None:
    with pytest.raises(InvalidTarget, match="name it 'localhost:50051'"):
        with_port(target)


async def test_the_client_dials_it() -> None:
    async with PredictionClient("localhost") as client:
        assert client.target == "localhost:50051"
