"""What a scrape sees of the spool and its delivery."""

import asyncio
import socket
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server.log.lock import lock_file
from server.log.prediction_id import new_prediction_id
from server.log.record import Outcome, PredictionRecord
from server.log.spool.file import FILE_NAME, SpoolFile
from server.log.spool.rows import DeadLetter, Kind, Reason
from server.log.spool.turn import DELIVERY_LOCK_NAME
from server.metrics.spool import SpoolCollector
from server.settings import ServerSettings
from server.supervisor import supervising

MakeRecord = Callable[[int], PredictionRecord]
ServerFactory = Callable[..., AbstractAsyncContextManager[Any]]
Samples = dict[tuple[str, ...], float]
NAMES = {
    "playthrough_spool_waiting",
    "playthrough_spool_oldest_seconds",
    "playthrough_spool_bytes",
    "playthrough_spool_dead_letters",
    "playthrough_outcome_conflicts",
    "playthrough_delivery_running",
    "playthrough_mongodb_away_since_seconds",
}


def scrape(directory: Path) -> Samples:
    registry = CollectorRegistry()
    registry.register(SpoolCollector(directory))
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for metric in registry.collect()
        for sample in metric.samples
    }


QUIET: Samples = {
    ("playthrough_spool_waiting", "prediction"): 0,
    ("playthrough_spool_waiting", "outcome"): 0,
    ("playthrough_spool_oldest_seconds",): 0,
    ("playthrough_spool_bytes",): 0,
    ("playthrough_outcome_conflicts",): 0,
    ("playthrough_delivery_running",): 0,
    ("playthrough_mongodb_away_since_seconds",): 0,
}


def test_no_spool_and_an_empty_one_are_quiet(tmp_path: Path) -> None:
    assert scrape(tmp_path) == QUIET
    assert list(tmp_path.iterdir()) == []
    SpoolFile(tmp_path / FILE_NAME).close()
    size = (tmp_path / FILE_NAME).stat().st_size
    assert size > 0
    assert scrape(tmp_path) == QUIET | {("playthrough_spool_bytes",): size}


def test_what_waits_and_what_was_given_up_is_shown(tmp_path: Path, make_record: MakeRecord) -> None:
    now = datetime.now(UTC)
    records = [replace(make_record(n), requested_at=now - timedelta(seconds=100)) for n in range(3)]
    outcome = Outcome(skipped=True, listened_ms=1, recorded_at=now - timedelta(seconds=5_000))
    file = SpoolFile(tmp_path / FILE_NAME)
    with file.transaction():
        file.insert(records)
        file.insert_outcomes(("a" * 24, replace(outcome, listened_ms=number)) for number in range(6))
        rows = file.next_predictions(10)
        file.add_dead_letters(DeadLetter(Kind.PREDICTION, row, Reason.REFUSED) for row in rows[:2])
        file.advance(rows[:2])
        for reason in (Reason.CONFLICT, Reason.CONFLICT, Reason.UNKNOWN_PREDICTION):
            row = file.first_outcomes(["a" * 24])["a" * 24]
            file.add_dead_letters([DeadLetter(Kind.OUTCOME, row, reason)])
        file.set_away_since(1_700_000_000.0)
    with lock_file(tmp_path / DELIVERY_LOCK_NAME):
        seen = scrape(tmp_path)
        on_disk = sum(path.stat().st_size for path in tmp_path.glob(f"{FILE_NAME}*"))
    file.close()
    assert 0 < seen.pop(("playthrough_spool_bytes",)) <= on_disk  # the shared memory comes with who looks
    age_s = seen.pop(("playthrough_spool_oldest_seconds",))
    assert seen == {
        ("playthrough_spool_waiting", "prediction"): 1,
        ("playthrough_spool_waiting", "outcome"): 3,
        ("playthrough_spool_dead_letters", "prediction", "refused"): 2,
        ("playthrough_spool_dead_letters", "outcome", "unknown-prediction"): 1,
        ("playthrough_outcome_conflicts",): 2,
        ("playthrough_delivery_running",): 1,
        ("playthrough_mongodb_away_since_seconds",): 1_700_000_000,
    }
    assert age_s >= 5_000  # the outcome is older than the prediction


def test_a_spool_that_cannot_be_read_shows_nothing_and_is_no_error(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"something else" * 1_000)
    assert scrape(tmp_path) == {}
    assert scrape(tmp_path / ("x" * 300)) == {}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def page_of(port: int) -> Samples:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    assert {family.name for family in families} >= NAMES
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        if family.name in NAMES
        for sample in family.samples
    }


async def until_page(port: int, condition: Callable[[Samples], bool]) -> Samples:
    async with asyncio.timeout(60):
        while not condition(page := await asyncio.to_thread(page_of, port)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return page


@asynccontextmanager
async def supervised(settings: ServerSettings) -> AsyncIterator[Any]:
    """A stub for two workers."""
    two = settings.model_copy(update={"workers": 2})
    async with supervising(two) as address, grpc.aio.insecure_channel(address) as channel:
        yield pb_grpc.PredictionServiceStub(channel)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_running_server_shows_its_spool_and_its_delivery(
    settings: ServerSettings, serving: ServerFactory, track_ids: list[str], workers: int
) -> None:
    port, began = free_port(), time.time()
    away = {"metrics_port": port, "mongodb_uri": SecretStr("mongodb://127.0.0.1:9/away")}
    server = serving(**away) if workers == 1 else supervised(settings.model_copy(update=away))
    async with server as stub:
        page = await until_page(port, lambda page: page["playthrough_mongodb_away_since_seconds",] > 0)
        assert page["playthrough_mongodb_away_since_seconds",] >= began - 1
        assert page["playthrough_delivery_running",] == 1
        for _ in range(3):
            await stub.PredictRandom(pb.PredictRandomRequest(track_id=track_ids[0]))
        await stub.RecordOutcome(pb.RecordOutcomeRequest(prediction_id=new_prediction_id()))
        page = await asyncio.to_thread(page_of, port)
        assert page["playthrough_spool_waiting", "prediction"] == 3
        assert page["playthrough_spool_waiting", "outcome"] == 1
        assert page["playthrough_spool_oldest_seconds",] > 0
