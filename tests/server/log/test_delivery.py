import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from server.errors import StorageUnavailableError, UnknownPredictionError
from server.log import delivery as delivery_module
from server.log.delivery import Delivery
from server.log.mongo.store import Refusal
from server.log.record import Outcome, PredictionRecord
from server.log.spool.folder import count_spooled
from server.log.spool.rows import SpoolCounts
from server.log.spool.spool import Spool

MakeRecord = Callable[[int], PredictionRecord]
HEARD = Outcome(skipped=False, listened_ms=9000, recorded_at=datetime(2030, 1, 1, tzinfo=UTC))


class FakeStore:
    """A MongoDB that can be away, and that refuses some records for good."""

    def __init__(self) -> None:  # noqa: D107
        self.records: dict[str, PredictionRecord] = {}
        self.away = False
        self.attempts = self.batches = 0
        self.refused: set[str] = set()

    async def connect(self) -> None:
        self.attempts += 1
        if self.away:
            raise StorageUnavailableError("away")

    async def add(self, records: Sequence[PredictionRecord]) -> list[Refusal]:
        await self.connect()
        self.batches += 1
        self.records |= {r.prediction_id: r for r in records if r.prediction_id not in self.refused}
        return [Refusal(r.prediction_id, "poison") for r in records if r.prediction_id in self.refused]

    async def add_outcome(self, prediction_id: str, outcome: Outcome) -> None:
        await self.connect()
        if prediction_id not in self.records:
            raise UnknownPredictionError(prediction_id)


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=1000)
    yield spool
    await spool.close()


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_everything_reaches_the_store_and_leaves_the_spool(
    spool: Spool, make_record: MakeRecord
) -> None:
    store = FakeStore()
    delivery = Delivery(spool, store)
    delivery.start()
    await asyncio.gather(*(spool.append(make_record(n)) for n in range(250)))
    await eventually(lambda: spool.depth == 0)
    await delivery.stop(within_s=1)
    assert len(store.records) == 250


async def test_records_wait_for_a_store_that_is_away(
    spool: Spool, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "_LONGEST_DELAY_S", 0.02)
    store = FakeStore()
    store.away = True
    delivery = Delivery(spool, store)
    delivery.start()
    await spool.append(make_record(1))
    await eventually(lambda: store.attempts >= 3)
    await spool.append(make_record(2))
    assert spool.depth == 2
    store.away = False
    await eventually(lambda: len(store.records) == 2 and spool.depth == 0)
    await delivery.stop(within_s=1)


async def test_a_poison_record_becomes_a_dead_letter_and_holds_up_nothing(
    spool: Spool, make_record: MakeRecord, tmp_path: Path
) -> None:
    store = FakeStore()
    store.refused = {make_record(1).prediction_id}
    for number in range(3):
        await spool.append(make_record(number))
    await Delivery(spool, store).stop(within_s=5)
    assert set(store.records) == {make_record(0).prediction_id, make_record(2).prediction_id}
    assert count_spooled(tmp_path / "spool") == SpoolCounts(0, 0, 1)


async def test_an_outcome_that_came_second_becomes_a_dead_letter_and_its_prediction_leaves(
    spool: Spool, make_record: MakeRecord, tmp_path: Path
) -> None:
    class Conflicting(FakeStore):
        async def add(self, records: Sequence[PredictionRecord]) -> list[Refusal]:
            return [Refusal(record.prediction_id, "second", HEARD) for record in records]

    await spool.append(make_record(1))
    await Delivery(spool, Conflicting()).stop(within_s=5)
    assert count_spooled(tmp_path / "spool") == SpoolCounts(dead_outcomes=1)
    assert (spool.depth, spool.held_outcomes) == (0, 0)


async def test_stopping_while_the_store_is_away_keeps_the_records(
    spool: Spool, make_record: MakeRecord
) -> None:
    store = FakeStore()
    store.away = True
    await spool.append(make_record(1))
    await Delivery(spool, store).stop(within_s=5)
    assert spool.depth == 1


async def test_a_store_that_is_away_is_logged_before_anything_is_to_be_delivered(spool: Spool) -> None:
    store = FakeStore()
    store.away = True
    delivery = Delivery(spool, store)
    with capture_logs() as logs:
        delivery.start()
        await eventually(lambda: store.attempts >= 2)
        store.away = False
        await eventually(lambda: len(logs) == 2)
    await delivery.stop(within_s=1)
    assert [line["event"] for line in logs] == ["storage_unavailable", "storage_available"]


async def test_stopping_ends_although_the_driver_swallows_the_cancellation(
    spool: Spool, make_record: MakeRecord
) -> None:
    reached = asyncio.Event()

    class Swallowing(FakeStore):
        async def add(self, records: Sequence[PredictionRecord]) -> list[Refusal]:
            reached.set()
            with contextlib.suppress(asyncio.CancelledError):  # as PyMongo's network layer now and then does
                await asyncio.sleep(3600)
            return await super().add(records)

    delivery = Delivery(spool, Swallowing())
    delivery.start()
    await spool.append(make_record(1))
    await reached.wait()
    async with asyncio.timeout(30):
        await delivery.stop(within_s=0.1)
    assert spool.depth == 0


async def test_stopping_waits_for_no_store_that_hangs(
    spool: Spool, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "_STALLED_AFTER_S", 0.01)
    reached = asyncio.Event()

    class Hanging(FakeStore):
        async def add(self, records: Sequence[PredictionRecord]) -> list[Refusal]:
            reached.set()
            await asyncio.sleep(3600)
            return []

    delivery = Delivery(spool, Hanging())
    delivery.start()
    await spool.append(make_record(1))
    await reached.wait()
    async with asyncio.timeout(60):
        await delivery.stop(within_s=3600)
    assert spool.depth == 1


async def test_stopping_delivers_for_as_long_as_a_slow_store_goes_on(
    spool: Spool, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "_STALLED_AFTER_S", 1.0)

    class Slow(FakeStore):
        async def add(self, records: Sequence[PredictionRecord]) -> list[Refusal]:
            await asyncio.sleep(0.4)
            return await super().add(records)

    store = Slow()
    await asyncio.gather(*(spool.append(make_record(n)) for n in range(400)))
    await Delivery(spool, store).stop(within_s=3600)
    assert (spool.depth, store.batches) == (0, 4)


async def test_a_stop_that_is_cut_short_ends_although_the_driver_swallows_the_cancellation(
    spool: Spool, make_record: MakeRecord
) -> None:
    reached = asyncio.Event()

    class Swallowing(FakeStore):
        async def add(self, records: Sequence[PredictionRecord]) -> list[Refusal]:
            if not reached.is_set():
                reached.set()
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(3600)
            return await super().add(records)

    await asyncio.gather(*(spool.append(make_record(n)) for n in range(400)))
    stopping = asyncio.create_task(Delivery(spool, Swallowing()).stop(within_s=3600))
    await reached.wait()
    stopping.cancel()
    await asyncio.wait([stopping], timeout=60)
    assert spool.depth == 300


async def test_a_spool_that_fills_faster_than_it_empties_is_emptied_in_the_end(
    spool: Spool, make_record: MakeRecord
) -> None:
    class Slow(FakeStore):
        async def add(self, records: Sequence[PredictionRecord]) -> list[Refusal]:
            if self.batches < 3:  # as many again, and more, come meanwhile
                first = 100 + 200 * self.batches
                await asyncio.gather(*(spool.append(make_record(first + n)) for n in range(200)))
            return await super().add(records)

    store = Slow()
    delivery = Delivery(spool, store)
    await asyncio.gather(*(spool.append(make_record(n)) for n in range(100)))
    delivery.start()
    await eventually(lambda: spool.depth == 0)
    await delivery.stop(within_s=1)
    assert len(store.records) == 700


@pytest.mark.parametrize(
    ("waited", "waiting", "rest_s"),
    [
        (500, 500, 0.0),
        (500, 400, 0.0),
        (1, 100, 0.0),  # less than a batch more
        (500, 600, 0.18),  # a tenth of the time
        (30_000, 40_000, 0.08),  # a fifth
        (190_000, 200_000, 0.0),  # all
        (900_000, 1_000_000, 0.0),
    ],
)
def test_delivery_rests_while_more_comes_than_goes_the_less_the_more_waits(
    waited: int, waiting: int, rest_s: float
) -> None:
    assert delivery_module._rest_s(0.02, waited, waiting) == pytest.approx(rest_s)
    assert delivery_module._rest_s(3600.0, waited, waiting) <= 1.0
