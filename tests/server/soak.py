"""Kills a server under load again and again, takes its MongoDB away and gives it back, and counts.

`python -m tests.server.soak --rounds 200` does it at length; the test suite does a few rounds. What must
hold: every prediction that was answered is exactly one document, with the outcome that was acknowledged
    first.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from pymongo import MongoClient

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server.experiment.embedded import EmbeddedMongo
from server.experiment.spool_folder import count_spooled

_CALLERS = 16
_LONGEST_LIFE_S = 1.5
_FLUSH_TIMEOUT_S = 300.0


@dataclass
class Tally:
    """What callers saw, and what was found afterwards.

    Attributes:
        answered: Ids of predictions that were answered OK.
        outcomes: By id, the outcome that was acknowledged: skipped, and listened_ms.
        cut_off: Calls that a kill left without an answer: they may be documents, or not.
        refused: Status codes of outcomes that were refused, though their prediction had been answered.
        documents: Found in MongoDB.
        missing: Answered, and not found.
        lost_outcomes: Acknowledged, and not found as acknowledged.
        duplicates: Documents beyond one an id.
        strangers: Documents of no answered prediction; at most as many as calls were cut off.
        left_over: What the spool still holds, or has buried.
    """

    answered: set[str] = field(default_factory=set)
    outcomes: dict[str, tuple[bool, int]] = field(default_factory=dict)
    cut_off: int = 0
    refused: list[str] = field(default_factory=list)
    kills: int = 0
    mongodb_stops: int = 0
    documents: int = 0
    missing: int = 0
    lost_outcomes: int = 0
    duplicates: int = 0
    strangers: int = 0
    left_over: int = 0

    @property
    def nothing_lost(self) -> bool:
        """Says whether all that must hold does."""
        wrong = self.missing, self.lost_outcomes, self.duplicates, self.left_over, len(self.refused)
        return not any(wrong) and self.strangers <= self.cut_off and self.documents > 0

    def summary(self) -> dict[str, Any]:
        """Returns the counts."""
        fields = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        told = {"answered": len(self.answered), "outcomes_acknowledged": len(self.outcomes)}
        return {**told, "refused_outcomes": len(self.refused), **fields, "nothing_lost": self.nothing_lost}


class Soak:
    """One server, one MongoDB, and callers."""

    def __init__(self, data: Path, models: Path, var: Path, track_id: str, seed: int) -> None:
        """Names what it works with."""
        self.tally = Tally()
        self._arguments = ["--data", str(data), "--models", str(models), "--port", "0"]
        self._var, self._track_id = var, track_id
        self._random = random.Random(seed)
        self._mongodb: EmbeddedMongo | None = None
        self._mongodb_port = 0
        self.uri = ""

    async def run(self, rounds: int, advance: Callable[[], None] = lambda: None) -> Tally:
        """Kills `rounds` servers, lets a last one deliver what is left, and counts."""
        await self._start_mongodb()
        for _ in range(rounds):
            await self._round()
            advance()
        if self._mongodb is None:
            await self._start_mongodb()
        process, _ = await self._start_server()
        await self._flushed()
        process.terminate()
        await process.wait()
        await asyncio.to_thread(self._count)
        await self._stop_mongodb()
        return self.tally

    async def _round(self) -> None:
        process, address = await self._start_server()
        life_s = self._random.uniform(0.05, _LONGEST_LIFE_S)
        toggling = None
        if self._random.random() < 0.4:
            toggling = asyncio.create_task(self._toggle_mongodb(self._random.uniform(0, life_s)))
        async with grpc.aio.insecure_channel(address) as channel:
            stub = pb_grpc.PredictionServiceStub(channel)
            callers = [asyncio.create_task(self._call(stub)) for _ in range(_CALLERS)]
            await asyncio.sleep(life_s)
            process.kill()
            self.tally.kills += 1
            await process.wait()
            await asyncio.gather(*callers)
        if toggling is not None:
            await toggling

    async def _call(self, stub: Any) -> None:
        """Calls until the server is gone: a prediction, and for some of them an outcome, now or later."""
        mine = random.Random(self._random.random())
        later: list[str] = []
        with contextlib.suppress(grpc.aio.AioRpcError):
            while True:
                try:
                    request = pb.PredictRandomRequest(track_id=self._track_id)
                    prediction_id = (await stub.PredictRandom(request, timeout=20)).prediction_id
                except grpc.aio.AioRpcError:
                    self.tally.cut_off += 1
                    raise
                self.tally.answered.add(prediction_id)
                later.append(prediction_id)
                if mine.random() < 0.5:
                    await self._record(stub, later.pop(mine.randrange(len(later))), mine)

    async def _record(self, stub: Any, prediction_id: str, mine: random.Random) -> None:
        outcome = mine.random() < 0.5, mine.randrange(100_000)
        request = pb.RecordOutcomeRequest(
            prediction_id=prediction_id, skipped=outcome[0], listened_ms=outcome[1]
        )
        try:
            await stub.RecordOutcome(request, timeout=20)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:  # the kill
                self.tally.refused.append(f"{error.code()}: {error.details()}")
            raise
        self.tally.outcomes[prediction_id] = outcome

    async def _toggle_mongodb(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        if self._mongodb is None:
            await self._start_mongodb()
        else:
            await self._stop_mongodb()

    async def _start_mongodb(self) -> None:
        self._mongodb = EmbeddedMongo(self._var / "mongodb-outside")
        self.uri = await self._mongodb.start(self._mongodb_port)
        self._mongodb_port = int(self.uri.rpartition("/")[0].rpartition(":")[2])

    async def _stop_mongodb(self) -> None:
        mongodb, self._mongodb = self._mongodb, None
        if mongodb is not None:
            self.tally.mongodb_stops += 1
            await mongodb.stop()

    async def _start_server(self) -> tuple[asyncio.subprocess.Process, str]:
        environment = os.environ | {"PLAYTHROUGH_VAR_DIR": str(self._var), "MONGODB_URI": self.uri}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server", *self._arguments),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdout is not None
        async for line in process.stdout:
            if line.startswith(b"listening on "):
                return process, line.decode().split()[-1]
        raise RuntimeError(f"the server ended without being ready: {await process.wait()}")

    async def _flushed(self) -> None:
        async with asyncio.timeout(_FLUSH_TIMEOUT_S):
            while True:
                counts = await asyncio.to_thread(count_spooled, self._var / "spool")
                if not counts.waiting and not counts.held_outcomes:
                    return
                await asyncio.sleep(0.2)

    def _count(self) -> None:
        tally = self.tally
        with contextlib.closing(MongoClient[dict[str, Any]](self.uri)) as client:
            found = list(client.get_default_database()["predictions"].find({}, {"outcome": 1}))
        documents = {document["_id"]: document["outcome"] for document in found}
        tally.documents, tally.duplicates = len(found), len(found) - len(documents)
        tally.missing = len(tally.answered - documents.keys())
        tally.strangers = len(documents.keys() - tally.answered)
        for prediction_id, (skipped, listened_ms) in tally.outcomes.items():
            stored = documents.get(prediction_id)
            same = stored is not None and (stored["skipped"], stored["listened_ms"]) == (skipped, listened_ms)
            tally.lost_outcomes += not same
        counts = count_spooled(self._var / "spool")
        tally.left_over = counts.waiting + counts.held_outcomes + counts.dead_letters


def main() -> None:
    """Runs the soak on given or generated data and models, and prints what it counted."""
    from rich.progress import Progress

    from data import generate, read_catalogue
    from tests.server.tiny_models import save_tiny_model

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Progress() as progress:
        data, models = Path(folder) / "data", Path(folder) / "models"
        generate(data, listeners=5, tracks=40, plays=200)
        for name in ("simple", "advanced"):
            save_tiny_model(models, name, "1")
        track_id = str(read_catalogue(data).track_ids[0])
        soak = Soak(data, models, Path(folder) / "var", track_id, options.seed)
        task = progress.add_task("kills", total=options.rounds)
        tally = asyncio.run(soak.run(options.rounds, lambda: progress.advance(task)))
    print(json.dumps({"seed": options.seed, **tally.summary()}, indent=2))
    for refusal in tally.refused[:10]:
        print(refusal)
    sys.exit(0 if tally.nothing_lost else 1)


if __name__ == "__main__":
    main()
