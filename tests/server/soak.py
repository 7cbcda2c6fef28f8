"""Kills a server under load again and again, takes its MongoDB away and gives it back, and counts.

`python -m tests.server.soak --rounds 200` does it at length; the test suite does a few rounds. What must
hold: every prediction that was answered is exactly one document, with the outcome that was acknowledged
first. The last line that it prints is the summary; it exits with 1 when anything was lost, and with an error
when any wait takes too long.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server.log.mongo.embedded.database import EmbeddedMongo
from server.log.spool.folder import count_spooled
from tests.server.soak_tally import Tally

_CALLERS = 16
_LONGEST_LIFE_S = 1.5
_CALL_TIMEOUT_S = 20.0
_STEP_TIMEOUT_S = 120.0  # a server that starts or ends, a MongoDB too, on a machine that is busy
_Process = asyncio.subprocess.Process


class Soak:
    """One server, one MongoDB, and callers."""

    def __init__(self, data: Path, models: Path, var: Path, track_id: str, seed: int) -> None:
        """Names what it works with."""
        self.tally = Tally()
        self.uri = ""
        self._arguments = ["--data", str(data), "--models", str(models), "--port", "0"]
        self._var, self._track_id = var, track_id
        self._random = random.Random(seed)
        self._mongodb: EmbeddedMongo | None = None
        self._mongodb_port = 0
        self._killed = False

    async def run(self, rounds: int, advance: Callable[[str], None] = lambda told: None) -> Tally:
        """Kills `rounds` servers, lets a last one deliver what is left, and counts.

        Args:
            rounds: How many.
            advance: Told in a line what happened, after each round.

        Raises:
            TimeoutError: When a step takes far too long.
        """
        try:
            await self.start_mongodb()
            for number in range(1, rounds + 1):
                began = time.monotonic()
                told = await self._round()
                waiting = (await asyncio.to_thread(count_spooled, self._var / "spool")).waiting
                failed = dict(self.tally.errors) or "none"
                advance(
                    f"round {number}/{rounds}: {told}; {len(self.tally.answered):,} answered so far, "
                    f"{waiting:,} in the spool, errors: {failed} ({time.monotonic() - began:.1f} s)"
                )
            if self._mongodb is None:
                await self.start_mongodb()
            async with self.server() as (process, _):
                await self.flushed(advance)
                process.terminate()
                await asyncio.wait_for(process.wait(), _STEP_TIMEOUT_S)
            await asyncio.to_thread(self.tally.compare, self.uri, self._var / "spool")
        finally:
            await self.stop_mongodb()
        return self.tally

    async def _round(self) -> str:
        life_s = self._random.uniform(0.05, _LONGEST_LIFE_S)
        toggling, before = None, len(self.tally.answered)
        self._killed = False
        async with self.server() as (process, address), grpc.aio.insecure_channel(address) as channel:
            if self._random.random() < 0.4:
                toggling = asyncio.create_task(self._toggle_mongodb(self._random.uniform(0, life_s)))
            stub = pb_grpc.PredictionServiceStub(channel)
            callers = [asyncio.create_task(self._call(stub)) for _ in range(_CALLERS)]
            await asyncio.sleep(life_s)
            self._killed = True
            process.kill()
            self.tally.kills += 1
            async with asyncio.timeout(_STEP_TIMEOUT_S):
                await process.wait()
                await asyncio.gather(*callers)
                if toggling is not None:
                    await toggling
        mongodb = "away" if self._mongodb is None else "there"
        answered = len(self.tally.answered) - before
        return f"killed after {life_s:.2f} s and {answered:,} answers, MongoDB {mongodb}"

    async def _call(self, stub: Any) -> None:
        """Calls until the server is gone: a prediction, and for some of them an outcome, now or later."""
        mine = random.Random(self._random.random())
        later: list[str] = []
        while not self._killed:
            request = pb.PredictRandomRequest(track_id=self._track_id)
            try:
                answer = await stub.PredictRandom(request, timeout=_CALL_TIMEOUT_S)
            except grpc.aio.AioRpcError as error:
                self.tally.cut_off += 1
                self._note("PredictRandom", error)
                continue
            self.tally.answered.add(answer.prediction_id)
            later.append(answer.prediction_id)
            if mine.random() < 0.5:
                await self._record(stub, later.pop(mine.randrange(len(later))), mine)

    async def _record(self, stub: Any, prediction_id: str, mine: random.Random) -> None:
        outcome = mine.random() < 0.5, mine.randrange(100_000)
        request = pb.RecordOutcomeRequest(
            prediction_id=prediction_id, skipped=outcome[0], listened_ms=outcome[1]
        )
        try:
            await stub.RecordOutcome(request, timeout=_CALL_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            self._note("RecordOutcome", error)
        else:
            self.tally.outcomes[prediction_id] = outcome

    def _note(self, method: str, error: grpc.aio.AioRpcError) -> None:
        """Counts a call that failed, unless the kill is why."""
        if not self._killed or error.code() is not grpc.StatusCode.UNAVAILABLE:
            self.tally.errors[f"{method} {error.code().name}"] += 1
            self.tally.details = [*self.tally.details, f"{method}: {error.details()}"][:10]

    async def _toggle_mongodb(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        if self._mongodb is None:
            await self.start_mongodb()
        else:
            await self.stop_mongodb()

    async def start_mongodb(self) -> None:
        """Starts the database, on the same port as ever."""
        self._mongodb = EmbeddedMongo(self._var / "mongodb-outside")
        self.uri = await self._mongodb.start(self._mongodb_port)
        self._mongodb_port = int(self.uri.rpartition("/")[0].rpartition(":")[2])

    async def stop_mongodb(self) -> None:
        """Stops the database if it runs."""
        mongodb, self._mongodb = self._mongodb, None
        if mongodb is not None:
            self.tally.mongodb_stops += 1
            await mongodb.stop()

    @asynccontextmanager
    async def server(self) -> AsyncIterator[tuple[_Process, str]]:
        """Runs a server for the duration of a block; yields its process and its address."""
        environment = os.environ | {"PLAYTHROUGH_VAR_DIR": str(self._var), "MONGODB_URI": self.uri}
        log = self._var / "server.log"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "server", *self._arguments),
                env=environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
            )
        try:
            yield process, await asyncio.wait_for(_address(process, log), _STEP_TIMEOUT_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def flushed(self, advance: Callable[[str], None] = lambda told: None) -> None:
        """Waits until all is in MongoDB, for as long as it goes forward."""
        least, progressed = None, time.monotonic()
        while True:
            counts = await asyncio.to_thread(count_spooled, self._var / "spool")
            left = counts.waiting + counts.held_outcomes
            if not left:
                return
            if least is None or left < least:
                least, progressed = left, time.monotonic()
                advance(f"{left:,} left to deliver")
            if time.monotonic() - progressed > _STEP_TIMEOUT_S:
                raise TimeoutError(f"{left} records do not leave the spool")
            await asyncio.sleep(0.5)


async def _address(process: _Process, log: Path) -> str:
    """Waits for the ready line of a server."""
    assert process.stdout is not None
    async for line in process.stdout:
        if line.startswith(b"listening on "):
            return line.decode().split()[-1]
    told = await asyncio.to_thread(log.read_text)
    raise RuntimeError(f"a server ended before it was ready, with {await process.wait()}: {told[-2000:]}")


def main() -> None:
    """Runs the soak on generated data and models, and prints what it counted."""
    from data import generate, read_catalogue
    from tests.server.tiny_models import save_tiny_model

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, models = Path(folder) / "data", Path(folder) / "models"
        generate(data, listeners=5, tracks=40, plays=200)
        for name in ("simple", "advanced"):
            save_tiny_model(models, name, "1")
        track_id = str(read_catalogue(data).track_ids[0])
        soak = Soak(data, models, Path(folder) / "var", track_id, options.seed)
        tally = asyncio.run(soak.run(options.rounds, lambda told: print(told, flush=True)))
    for detail in tally.details:
        print(detail)
    print(json.dumps({"seed": options.seed, **tally.summary()}))
    sys.exit(0 if tally.nothing_lost else 1)


if __name__ == "__main__":
    main()
