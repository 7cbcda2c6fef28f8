"""Servers that are replaced one after the other while clients call, as the pods of a cluster are."""

import asyncio
import os
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc

from benchmarks.load.calls_ended import free_port
from cache_client.rpc import errors
from cache_client.rpc.client import PredictionClient

_TIMEOUT_S = 120.0
_CALLS_EVERY_S = 0.01


class Place:
    """A place for a server: the one in it ends, and another one takes its ports."""

    def __init__(self, data: Path, models: Path, var_dir: Path, pause_s: float) -> None:
        """Starts the first server.

        Args:
            data: Folder of the data set.
            models: Folder of the registry.
            var_dir: Where the servers write.
            pause_s: How long each answers on when it is told to end, in seconds.
        """
        self.address, self._metrics_port = f"127.0.0.1:{free_port()}", free_port()
        command = [sys.executable, "-m", "server", "--data", str(data), "--models", str(models)]
        command += ["--port", self.address.partition(":")[2], "--metrics-port", str(self._metrics_port)]
        self._command = [*command, "--delivery", "none"]
        own = {"PLAYTHROUGH_VAR_DIR": str(var_dir), "PLAYTHROUGH_DRAIN_PAUSE_S": str(pause_s)}
        self._environment = os.environ | own
        self._process = self._start()

    async def serves(self) -> None:
        """Waits until the server is ready."""
        assert self._process.stdout is not None
        line = await asyncio.to_thread(self._process.stdout.readline)
        if not line.startswith("listening on "):
            raise RuntimeError(f"{' '.join(self._command)} ended instead of listening")

    async def is_called(self) -> None:
        """Waits until the server has answered, as `minReadySeconds` has a cluster wait."""
        async with asyncio.timeout(_TIMEOUT_S):
            while 'method="Predict"' not in await asyncio.to_thread(self._metrics):  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def replace(self) -> None:
        """Ends the server in order and starts another one; returns once that is ready."""
        self._process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(self._process.communicate)
        if self._process.returncode != 0:
            raise RuntimeError(f"a server ended with {self._process.returncode}")
        self._process = self._start()
        await self.serves()

    def kill(self) -> None:
        """Ends the server at once."""
        self._process.kill()
        self._process.communicate()

    def _start(self) -> "subprocess.Popen[str]":
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        return subprocess.Popen(self._command, env=self._environment, stdout=pipe, stderr=null, text=True)

    def _metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics") as page:
            return str(page.read())


@contextmanager
def two_places(data: Path, models: Path, var_dir: Path, pause_s: float) -> Iterator[list[Place]]:
    """Runs two servers for the duration of a block; see `Place`."""
    places: list[Place] = []
    try:
        for name in ("first", "second"):
            places.append(Place(data, models, var_dir / name, pause_s))
        yield places
    finally:
        for place in places:
            place.kill()


def target_of(places: Sequence[Place]) -> str:
    """Returns what a client calls that is to know all of the places."""
    return "ipv4:" + ",".join(place.address for place in places)


async def replace_each(
    places: Sequence[Place],
    clients: Sequence[PredictionClient],
    track_id: str,
    *,
    all_are_called: bool,
    rounds: int = 1,
) -> list[Counter[str]]:
    """Replaces each server in turn while clients call.

    Args:
        places: The servers.
        clients: Each makes eight calls at a time, a hundred times a second.
        track_id: A track to ask about.
        all_are_called: Whether a client calls all servers. Then each new one is waited for until it is
            called: if the next one went before, the client would be without any.
        rounds: How often each server is replaced.

    Returns:
        For each client how many calls ended with which status.
    """
    ended, counts = asyncio.Event(), [Counter[str]() for _ in clients]
    for place in places:
        await place.serves()
    async with asyncio.TaskGroup() as callers:
        for client, count in zip(clients, counts, strict=True):
            for _ in range(8):
                callers.create_task(_call(client, track_id, count, ended))
        try:
            if all_are_called:
                for place in places:
                    await place.is_called()
            for _ in range(rounds):
                for place in places:
                    await place.replace()
                    if all_are_called:
                        await place.is_called()
        finally:
            ended.set()
    return counts


async def _call(client: PredictionClient, track_id: str, count: Counter[str], ended: asyncio.Event) -> None:
    while not ended.is_set():
        try:
            await client.predict(track_id, ["rock"])
            count["OK"] += 1
        except errors.ServerError as error:
            cause = error.__cause__
            count[cause.code().name if isinstance(cause, grpc.RpcError) else str(error)] += 1
        await asyncio.sleep(_CALLS_EVERY_S)
