"""Whatever a method is sent, it ends as the contract says: in this process and over the network.

`python -m tests.fuzz METHOD` does the same a million times.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from tests.fuzz.calls import in_process, over
from tests.fuzz.decoding import CORPUS
from tests.fuzz.memory import memory_folder
from tests.fuzz.methods import ask, ask_one
from tests.fuzz.served import METHODS, Served, serving

IN_PROCESS, OVER_NETWORK = 250, 60
REQUESTS = {
    f"{name}-{path.name}": (name, path.read_bytes())
    for name in METHODS
    for path in sorted((CORPUS / name).glob("*"))
}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served() -> AsyncIterator[Served]:
    with memory_folder() as folder:
        async with serving(Path(folder)) as running:
            yield running


@pytest.mark.parametrize("name", METHODS)
async def test_made_requests_end_as_the_contract_says(served: Served, name: str) -> None:
    tally = await ask(served, in_process(served.handlers), METHODS[name], IN_PROCESS, seed=0)
    assert [problem for problem, _ in tally.findings] == []
    assert tally.codes["OK"] > 0
    assert tally.codes["INVALID_ARGUMENT"] > 0


@pytest.mark.parametrize("name", METHODS)
async def test_made_requests_end_so_over_the_network_too(served: Served, name: str) -> None:
    async with grpc.aio.insecure_channel(served.address) as channel:
        tally = await ask(served, over(channel), METHODS[name], OVER_NETWORK, seed=1)
    assert [problem for problem, _ in tally.findings] == []
    assert tally.codes["OK"] > 0


@pytest.mark.parametrize(("name", "content"), REQUESTS.values(), ids=REQUESTS)
async def test_requests_that_once_broke_it_are_answered(served: Served, name: str, content: bytes) -> None:
    async with grpc.aio.insecure_channel(served.address) as channel:
        for call in (in_process(served.handlers), over(channel)):
            assert await ask_one(served, call, METHODS[name], content) == ""


async def test_a_method_that_fails_is_a_finding(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks notice what they are there for: a traceback, and a code that nobody foresees."""

    async def fail(_request: object, _context: object) -> None:
        raise ZeroDivisionError

    handler = served.handlers["Predict"]._replace(unary_unary=fail)
    tally = await ask(served, in_process({"Predict": handler}), METHODS["Predict"], 5, seed=0)
    assert len(tally.findings) == 5
    assert "ZeroDivisionError" in tally.findings[0][0]
