"""Two servers are replaced in turn, as pods are, and no call of their clients fails."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from cache_client.rpc import errors
from cache_client.rpc.client import PredictionClient
from cache_client.rpc.retry import RetryPolicy
from tests.server.ports import free_ports

LEAST_CALLS = 1_000


class Pod:
    """A place for a server: the one in it ends, and another one takes its ports."""

    def __init__(self, command: list[str], var_dir: Path, port: int, metrics_port: int) -> None:  # noqa: D107
        self.port, self._metrics_port = port, metrics_port
        self._command = [*command, "--port", str(port), "--metrics-port", str(metrics_port)]
        self._environment = os.environ | {
            "PLAYTHROUGH_VAR_DIR": str(var_dir),
            "PLAYTHROUGH_DRAIN_PAUSE_S": "1",
        }
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    async def serves(self) -> None:
        assert self._process.stdout is not None
        line = await asyncio.to_thread(self._process.stdout.readline)
        assert line.startswith("listening on "), line

    async def end(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(self._process.communicate)
        return self._process.returncode

    async def is_called(self) -> None:
        """Waits until it has answered: what Kubernetes' `minReadySeconds` stands for."""
        url = f"http://127.0.0.1:{self._metrics_port}/metrics"

        def page() -> str:
            with urlopen(url) as answer:
                return str(answer.read())

        async with asyncio.timeout(60):
            while 'method="Predict"' not in await asyncio.to_thread(page):  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def pods(data_directory: Path, registry_directory: Path, tmp_path: Path) -> Iterator[list[Pod]]:
    command = [sys.executable, "-m", "server", "--data", str(data_directory), "--delivery", "none"]
    command += ["--models", str(registry_directory)]
    ports = free_ports(4)
    pods = [
        Pod(command, tmp_path / str(port), port, other)
        for port, other in zip(ports[::2], ports[1::2], strict=True)
    ]
    yield pods
    for pod in pods:
        pod.kill()


async def calling(
    client: PredictionClient, track_id: str, answers: Counter[str], ended: asyncio.Event
) -> None:
    """Calls a hundred times a second until told to end; counts the answers by their status."""
    while not ended.is_set():
        try:
            await client.predict(track_id, ["rock"])
            answers["OK"] += 1
        except errors.ServerError as error:
            answers[f"{error}, {error.__cause__!r}"] += 1
        await asyncio.sleep(0.01)


async def test_no_call_fails_while_each_of_two_servers_is_replaced(
    pods: list[Pod], track_ids: list[str]
) -> None:
    """Without a single repeat where clients ask for health; by repeats where they do not."""
    for pod in pods:
        await pod.serves()
    target = "ipv4:" + ",".join(f"127.0.0.1:{pod.port}" for pod in pods)
    once = RetryPolicy(max_attempts=1)
    ended, balanced, others = asyncio.Event(), Counter[str](), Counter[str]()
    async with (
        PredictionClient(target, load_balancing="round_robin", retry=once) as checks_health,
        PredictionClient(target) as checks_nothing,
        asyncio.TaskGroup() as callers,
    ):
        for _ in range(8):
            callers.create_task(calling(checks_health, track_ids[0], balanced, ended))
        for _ in range(2):
            callers.create_task(calling(checks_nothing, track_ids[0], others, ended))
        for pod in pods:
            await pod.is_called()
        for pod in pods:
            assert await pod.end() == 0
            pod.start()
            await pod.serves()
            await pod.is_called()
        ended.set()
    assert balanced.keys() == {"OK"}
    assert others.keys() == {"OK"}
    assert balanced["OK"] >= LEAST_CALLS
