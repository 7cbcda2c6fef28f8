"""The processor's time of a document that is inserted, joined and read, by Beanie and by the driver alone."""

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import structs
from pymongo import UpdateOne

from benchmarks.log_load.records import new_record
from server.log.mongo.documents import PredictionDocument
from server.log.mongo.embedded.database import EmbeddedMongo
from server.log.mongo.store import MongoStore
from server.log.record import Outcome, PredictionRecord

_BATCH = 500
_BATCHES = 8


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of this process a document, by Beanie and by the driver alone, and of the database."""

    beanie_us: float
    driver_us: float
    database_us: float


async def measure(folder: Path) -> dict[str, Cost]:
    """Returns what each operation costs, by its name, in an embedded database of its own."""
    embedded = EmbeddedMongo(folder)
    store = MongoStore(await embedded.start())
    try:
        await store.connect()
        by_beanie, by_driver = _batches(), _batches()
        pid = int((folder / "pid").read_text())
        return {
            "insert": await _compare(pid, _insert(store, by_beanie), _insert_raw(by_driver)),
            "join": await _compare(pid, _join(store, by_beanie), _join_raw(by_driver)),
            "read": await _compare(pid, _read(by_beanie), _read_raw(by_driver)),
        }
    finally:
        await store.close()
        await embedded.stop()


Batches = list[dict[str, PredictionRecord]]
Step = Callable[[int], Awaitable[Any]]


def _batches() -> Batches:
    records = [[new_record() for _ in range(_BATCH)] for _ in range(_BATCHES)]
    return [{record.prediction_id: record for record in batch} for batch in records]


async def _compare(pid: int, beanie: Step, driver: Step) -> Cost:
    """Measures both in turns, batch after batch."""
    times = {beanie: 0.0, driver: 0.0}
    before = _cpu_s(pid)
    for number in range(_BATCHES):
        for step in (beanie, driver):
            began = time.process_time()
            await step(number)
            times[step] += time.process_time() - began
    documents = _BATCH * _BATCHES
    database = (_cpu_s(pid) - before) / 2
    return Cost(*(1e6 * spent / documents for spent in (times[beanie], times[driver], database)))


def _cpu_s(pid: int) -> float:
    """Returns a process's time on processors so far, in seconds (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _insert(store: MongoStore, batches: Batches) -> Step:
    return lambda number: store.add(batches[number])


def _insert_raw(batches: Batches) -> Step:
    async def insert(number: int) -> None:
        documents = []
        for record in batches[number].values():
            fields = structs.asdict(record)
            documents.append({"_id": fields.pop("prediction_id"), **fields})
        await PredictionDocument.get_pymongo_collection().insert_many(documents, ordered=False)

    return insert


def _outcomes(batch: dict[str, PredictionRecord]) -> dict[str, Outcome]:
    return dict.fromkeys(batch, Outcome(True, 1000, datetime(2030, 1, 31, 13, tzinfo=UTC)))


def _join(store: MongoStore, batches: Batches) -> Step:
    return lambda number: store.join(_outcomes(batches[number]))


def _join_raw(batches: Batches) -> Step:
    async def join(number: int) -> None:
        collection = PredictionDocument.get_pymongo_collection()
        outcomes = _outcomes(batches[number])
        changes = [
            UpdateOne({"_id": key, "outcome": None}, {"$set": {"outcome": structs.asdict(outcome)}})
            for key, outcome in outcomes.items()
        ]
        await collection.bulk_write(changes, ordered=False)
        query = {"_id": {"$in": list(outcomes)}}
        assert len([found async for found in collection.find(query, {"outcome": 1})]) == len(outcomes)

    return join


def _read(batches: Batches) -> Step:
    async def read(number: int) -> None:
        found = await PredictionDocument.find({"_id": {"$in": list(batches[number])}}).to_list()
        assert len(found) == _BATCH

    return read


def _read_raw(batches: Batches) -> Step:
    async def read(number: int) -> None:
        query = {"_id": {"$in": list(batches[number])}}
        found = await PredictionDocument.get_pymongo_collection().find(query).to_list()
        assert len(found) == _BATCH

    return read
