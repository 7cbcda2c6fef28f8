"""Kills, stops and starves a server under load at random, and counts what is left.

`python -m tests.server.soak --rounds 200` does it at length; the test suite does a few rounds. In each round
a server of one or two workers is loaded while some of these happen: a worker, delivery or the database is
killed, the database hangs for a while, the disk is full for a while. Then the whole server is killed, or
ended in order. What must hold: every prediction that was answered is exactly one document, with the outcome
that was acknowledged; and no call fails for any other reason than a kill, an end or a full disk. The last
line that it prints is the summary; it exits with 1 when anything was lost, and with an error when any wait
takes too long.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server.log.mongo.embedded.database import EmbeddedMongo
from server.log.spool.status import count_spooled
from tests.server.small_disk import SmallDisk
from tests.server.soak_tally import Tally

_CALLERS = 16
_LONGEST_LIFE_S = 3.0
_MOST_MISHAPS = 3
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
        self._mongodb = EmbeddedMongo(var / "mongodb-outside")
        self._disk = SmallDisk(var / "spool")
        self._ending = False
        # Requests whose answer was lost, and which a later server is asked again.
        self._unanswered: list[str] = []

    async def run(self, rounds: int, advance: Callable[[str], None] = lambda told: None) -> Tally:
        """Ends `rounds` servers, lets a last one deliver what is left, and counts.

        Args:
            rounds: How many.
            advance: Told in a line what happened, after each round.

        Raises:
            TimeoutError: When a step takes far too long.
        """
        self.uri = await self._mongodb.start()
        with self._disk:
            try:
                for number in range(1, rounds + 1):
                    began = time.monotonic()
                    told = await self._round()
                    waiting = (await asyncio.to_thread(count_spooled, self._var / "spool")).waiting
                    failed = dict(self.tally.errors) or "none"
                    advance(
                        f"round {number}/{rounds}: {told}; {len(self.tally.answered):,} answered so far, "
                        f"{waiting:,} in the spool, errors: {failed} ({time.monotonic() - began:.1f} s)"
                    )
                async with self._server(workers=1) as (process, _):
                    await self._flushed(advance)
                    process.terminate()
                    await asyncio.wait_for(process.wait(), _STEP_TIMEOUT_S)
                await asyncio.to_thread(self.tally.compare, self.uri, self._var / "spool")
            finally:
                await self._mongodb.stop()
        return self.tally

    async def _round(self) -> str:
        life_s, before = self._random.uniform(0.05, _LONGEST_LIFE_S), len(self.tally.answered)
        workers, self._ending = self._random.choice((1, 2)), False
        async with self._server(workers) as (process, address), grpc.aio.insecure_channel(address) as channel:
            stub = pb_grpc.PredictionServiceStub(channel)
            callers = [asyncio.create_task(self._call(stub)) for _ in range(_CALLERS)]
            mishaps = [
                asyncio.create_task(self._mishap(process, self._random.uniform(0, life_s)))
                for _ in range(self._random.randint(0, _MOST_MISHAPS))
            ]
            await asyncio.sleep(life_s)
            told = await asyncio.wait_for(asyncio.gather(*mishaps), _STEP_TIMEOUT_S)
            self._ending = True
            kill = self._random.random() < 0.7
            process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            self.tally.happened["server killed" if kill else "server ended"] += 1
            self.tally.rounds += 1
            async with asyncio.timeout(_STEP_TIMEOUT_S):
                await process.wait()
                await asyncio.gather(*callers)
        answered = len(self.tally.answered) - before
        end = "killed" if kill else "ended"
        return f"{workers} workers, {', '.join(told) or 'no mishap'}, {end} after {answered:,} answers"

    async def _mishap(self, server: _Process, after_s: float) -> str:
        """Lets something go wrong after a while; returns what."""
        await asyncio.sleep(after_s)
        name = self._random.choice(("worker", "delivery", "database", "hung database", "full disk"))
        if name == "worker":
            name = self._kill_child(server.pid, "server.worker") and "worker killed"
        elif name == "delivery":
            name = self._kill_child(server.pid, "server.log.delivery.process") and "delivery killed"
        elif name == "full disk":
            name = name if await self._disk.fill(self._random.uniform(0.1, 1.0)) else ""
        else:
            name = await self._trouble_database(hang=name == "hung database")
        self.tally.happened[name or "nothing"] += 1
        return name or "nothing"

    def _kill_child(self, pid: int, module: str) -> str:
        """Kills one of a process's children that runs a module; returns its name, or "" without any."""
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            of_module = [child for child in children if module in Path(f"/proc/{child}/cmdline").read_text()]
        except OSError:
            return ""
        if not of_module:
            return ""
        os.kill(int(self._random.choice(of_module)), signal.SIGKILL)
        return module

    async def _trouble_database(self, *, hang: bool) -> str:
        """Kills the database, which starts again by itself, or stops it for a while; returns what it did."""
        try:
            pid = int((self._var / "mongodb-outside" / "pid").read_text())
            os.kill(pid, signal.SIGSTOP if hang else signal.SIGKILL)
            if hang:
                await asyncio.sleep(self._random.uniform(0.1, 2.0))
                os.kill(pid, signal.SIGCONT)
        except (OSError, ValueError):  # it is just being started
            return ""
        return "database hung" if hang else "database killed"

    async def _call(self, stub: Any) -> None:
        """Calls until the server is gone: a prediction, and for some of them an outcome, now or later."""
        mine = random.Random(self._random.random())
        later: list[str] = []
        while not self._ending:
            again = bool(self._unanswered)
            request_id = self._unanswered.pop() if again else mine.choice(("", uuid.uuid4().hex))
            request = pb.PredictRandomRequest(track_id=self._track_id, request_id=request_id)
            try:
                answer = await stub.PredictRandom(request, timeout=_CALL_TIMEOUT_S)
            except grpc.aio.AioRpcError as error:
                if request_id:
                    self._unanswered.append(request_id)
                self.tally.cut_off += 1
                await self._note("PredictRandom", error)
                continue
            self.tally.retried += again
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
            await self._note("RecordOutcome", error)
        else:
            self.tally.outcomes[prediction_id] = outcome

    async def _note(self, method: str, error: grpc.aio.AioRpcError) -> None:
        """Counts a call that failed, unless a kill or the full disk is why."""
        code = error.code()
        expected = (
            code is grpc.StatusCode.UNAVAILABLE
            # gRPC cancels a call that reaches a server as it closes its connections.
            or (code is grpc.StatusCode.CANCELLED and self._ending)
            or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and self._disk.was_full)
        )
        if not expected:
            self.tally.errors[f"{method} {code.name}"] += 1
            self.tally.details = [*self.tally.details, f"{method}: {error.details()}"][:10]
        await asyncio.sleep(0.01)  # a server that is gone answers at once

    @asynccontextmanager
    async def _server(self, workers: int) -> AsyncIterator[tuple[_Process, str]]:
        """Runs a server for the duration of a block; yields its process and its address."""
        environment = os.environ | {
            "PLAYTHROUGH_VAR_DIR": str(self._var),
            "PLAYTHROUGH_SPOOL_MIN_FREE_BYTES": str(self._disk.reserve_bytes),
            "MONGODB_URI": self.uri,
        }
        log = self._var / "server.log"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "server", *self._arguments, "--workers", str(workers)),
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

    async def _flushed(self, advance: Callable[[str], None]) -> None:
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
