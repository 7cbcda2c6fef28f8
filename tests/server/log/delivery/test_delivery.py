"""Delivery between a real spool file and a MongoDB that a test can switch off."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from server.errors import StorageUnavailableError
from server.log.delivery import delivery as delivery_module
from server.log.delivery.delivery import BATCH_ROWS, Delivery
from server.log.mongo.store import Joined, Stored
from server.log.record import Outcome, PredictionRecord
from server.log.spool.file import FILE_NAME, SpoolFile
from server.log.spool.status import SpoolCounts, SpoolStatus, count_spooled, read_status

MakeRecord = Callable[[int], PredictionRecord]
HEARD = Outcome(skipped=False, listened_ms=9000, recorded_at=datetime(2030, 1, 1, tzinfo=UTC))
HEARD_LATER = Outcome(skipped=False, listened_ms=9000, recorded_at=datetime(2031, 1, 1, tzinfo=UTC))
SKIPPED = Outcome(skipped=True, listened_ms=1000, recorded_at=datetime(2030, 1, 1, tzinfo=UTC))
UNKNOWN = "f" * 24


class FakeStore:
    """A MongoDB that can be away, and that refuses some records for good."""

    def __init__(self) -> None:  # noqa: D107
        self.records: dict[str, PredictionRecord] = {}
        self.away = False
        self.attempts = self.batches = self.joins = 0
        self.refused: set[str] = set()

    async def connect(self) -> None:
        self.attempts += 1
        if self.away:
            raise StorageUnavailableError("away")

    async def add(self, records: Mapping[str, PredictionRecord]) -> Stored:
        await self.connect()
        self.batches += 1
        fresh = records.keys() - self.records.keys() - self.refused
        self.records |= {key: records[key] for key in fresh}
        return Stored(set(fresh), {key: "poison" for key in records.keys() & self.refused})

    async def join(self, outcomes: Mapping[str, Outcome]) -> Joined:
        await self.connect()
        self.joins += 1
        answer = Joined(set(), set(), set(), set())
        for prediction_id, outcome in outcomes.items():
            record = self.records.get(prediction_id)
            if record is None:
                answer.unknown.add(prediction_id)
                continue
            first = record.outcome or outcome
            if (first.skipped, first.listened_ms) == (outcome.skipped, outcome.listened_ms):
                self.records[prediction_id] = record.with_outcome(first)
                answer.joined.add(prediction_id)
            else:
                answer.conflicting.add(prediction_id)
        return answer


class Spooled:
    """A spool folder, as a worker fills it."""

    def __init__(self, directory: Path) -> None:  # noqa: D107
        self.directory = directory
        self._file = SpoolFile(directory / FILE_NAME)

    def append(self, *records: PredictionRecord) -> None:
        with self._file.transaction():
            self._file.insert(records)

    def append_outcomes(self, *outcomes: tuple[str, Outcome]) -> None:
        with self._file.transaction():
            self._file.insert_outcomes(outcomes)

    def execute(self, statement: str, *values: object) -> None:
        with self._file.transaction():
            self._file.connection.execute(statement, values)

    def waiting(self) -> int:
        return self._file.waiting()

    def waiting_outcomes(self) -> int:
        return self._file.waiting_outcomes()

    def counts(self) -> SpoolCounts:
        return count_spooled(self.directory)

    def status(self) -> SpoolStatus:
        return read_status(self.directory)

    def close(self) -> None:
        self._file.close()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spooled]:
    spool = Spooled(tmp_path / "spool")
    yield spool
    spool.close()


@contextlib.contextmanager
def delivery_of(spool: Spooled, store: delivery_module.Store) -> Iterator[Delivery]:
    """A delivery over a connection of its own, as its process has."""
    delivery = Delivery(SpoolFile(spool.directory / FILE_NAME), store)
    yield delivery
    delivery.close()


@contextlib.asynccontextmanager
async def running(spool: Spooled, store: delivery_module.Store) -> AsyncIterator[Delivery]:
    with delivery_of(spool, store) as delivery:
        task = asyncio.create_task(delivery.run())
        yield delivery
        delivery.stop()
        async with asyncio.timeout(30):
            await task


async def flush(spool: Spooled, store: delivery_module.Store, within_s: float = 5.0) -> None:
    with delivery_of(spool, store) as delivery:
        await delivery.flush(within_s)


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Postponed outcomes are due again at the next batch."""
    monkeypatch.setattr(delivery_module, "LOOK_EVERY_S", -1.0)


async def test_everything_reaches_the_store_and_leaves_the_spool(
    spool: Spooled, store: FakeStore, make_record: MakeRecord
) -> None:
    records = [make_record(n) for n in range(BATCH_ROWS * 2 + 50)]
    spool.append(*records[:10])
    async with running(spool, store):
        spool.append(*records[10:])
        await eventually(lambda: spool.waiting() == 0)
    assert store.records == {record.prediction_id: record for record in records}


async def test_records_wait_for_a_store_that_is_away(
    spool: Spooled, store: FakeStore, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "_LONGEST_DELAY_S", 0.02)
    store.away = True
    async with running(spool, store):
        spool.append(make_record(1))
        await eventually(lambda: store.attempts >= 3)
        spool.append(make_record(2))
        assert spool.waiting() == 2
        store.away = False
        await eventually(lambda: len(store.records) == 2 and spool.waiting() == 0)


async def test_a_store_that_is_away_is_told_before_anything_is_to_be_delivered(
    spool: Spooled, store: FakeStore
) -> None:
    store.away = True
    with capture_logs() as logs:
        async with running(spool, store):
            await eventually(lambda: store.attempts >= 2)
            assert spool.status().away_since is not None
            store.away = False
            await eventually(lambda: len(logs) == 2)
            await eventually(lambda: spool.status().away_since is None)
    assert [line["event"] for line in logs] == ["storage_unavailable", "storage_available"]


async def test_a_store_that_comes_back_while_no_delivery_runs_counts_as_away_no_longer(
    spool: Spooled, store: FakeStore
) -> None:
    """The process that noted it was killed meanwhile."""
    spool.execute("UPDATE delivery SET away_since = 1")
    async with running(spool, store):
        await eventually(lambda: spool.status().away_since is None)


async def test_an_outage_outlasts_the_process_that_noticed_it(spool: Spooled, store: FakeStore) -> None:
    spool.execute("UPDATE delivery SET away_since = 1")
    store.away = True
    async with running(spool, store):
        await eventually(lambda: store.attempts >= 2)
    assert spool.status().away_since == datetime.fromtimestamp(1, UTC)


async def test_a_full_disk_at_the_start_ends_no_delivery(
    spool: Spooled, store: FakeStore, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "_LONGEST_DELAY_S", 0.02)
    full, look_now = [True, True], SpoolFile.look_now

    def look(file: SpoolFile) -> None:
        if full:
            full.pop()
            raise sqlite3.OperationalError("database or disk is full")
        look_now(file)

    monkeypatch.setattr(SpoolFile, "look_now", look)
    spool.append(make_record(1))
    async with running(spool, store):
        await eventually(lambda: spool.waiting() == 0)
    assert len(store.records) == 1


async def test_an_outcome_that_waits_with_its_prediction_is_stored_with_it(
    spool: Spooled, store: FakeStore, make_record: MakeRecord
) -> None:
    spool.append(make_record(1), make_record(2))
    spool.append_outcomes((make_record(1).prediction_id, HEARD))
    await flush(spool, store)
    assert [store.records[make_record(n).prediction_id].outcome for n in (1, 2)] == [HEARD, None]
    assert (store.joins, spool.counts()) == (0, SpoolCounts())


async def test_an_outcome_that_comes_later_is_joined(
    spool: Spooled, store: FakeStore, make_record: MakeRecord
) -> None:
    store.records[make_record(1).prediction_id] = make_record(1)
    spool.append_outcomes((make_record(1).prediction_id, HEARD))
    await flush(spool, store)
    assert store.records[make_record(1).prediction_id].outcome == HEARD
    assert spool.counts() == SpoolCounts()


@pytest.mark.parametrize("stored_before", [False, True])
async def test_of_two_different_outcomes_the_first_counts_and_an_equal_one_vanishes(
    spool: Spooled, store: FakeStore, make_record: MakeRecord, stored_before: bool
) -> None:
    prediction_id = make_record(1).prediction_id
    if stored_before:
        store.records[prediction_id] = make_record(1)
    else:
        spool.append(make_record(1))
    spool.append_outcomes((prediction_id, HEARD), (prediction_id, HEARD_LATER), (prediction_id, SKIPPED))
    await flush(spool, store)
    assert store.records[prediction_id].outcome == HEARD
    assert spool.counts() == SpoolCounts(dead_outcomes=1)
    assert spool.status().dead == {("outcome", "conflict"): 1}


async def test_an_outcome_that_is_reported_again_and_again_is_one_question_to_the_store(
    spool: Spooled, store: FakeStore, make_record: MakeRecord
) -> None:
    prediction_id = make_record(1).prediction_id
    store.records[prediction_id] = make_record(1)
    spool.append_outcomes(*[(prediction_id, HEARD)] * 1000, *[(prediction_id, SKIPPED)] * 1000)
    await flush(spool, store)
    assert store.joins == 2
    assert store.records[prediction_id].outcome == HEARD
    assert spool.counts() == SpoolCounts(dead_outcomes=1)


async def test_an_outcome_of_an_unknown_prediction_is_looked_for_later_and_not_at_once(
    spool: Spooled, store: FakeStore
) -> None:
    spool.append_outcomes((UNKNOWN, HEARD))
    await flush(spool, store)
    await flush(spool, store)
    assert (store.joins, spool.waiting_outcomes()) == (1, 1)


async def test_a_start_looks_for_all_predictions_at_once(spool: Spooled, store: FakeStore) -> None:
    spool.append_outcomes((UNKNOWN, HEARD))
    await flush(spool, store)
    async with running(spool, store):
        await eventually(lambda: store.joins == 2)


@pytest.mark.usefixtures("look_at_once")
async def test_only_looks_that_mongodb_answered_count_before_an_outcome_is_given_up(
    spool: Spooled, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "LOOKS", 3)
    spool.append_outcomes((UNKNOWN, HEARD))
    with delivery_of(spool, store) as delivery:
        await delivery.deliver()
        await delivery.deliver()
        store.away = True
        for _ in range(10):
            with pytest.raises(StorageUnavailableError):
                await delivery.deliver()
        assert spool.counts() == SpoolCounts(held_outcomes=1)
        store.away = False
        with capture_logs() as logs:
            await delivery.deliver()
    assert store.joins == 3
    assert spool.status().dead == {("outcome", "unknown-prediction"): 1}
    assert [(line["event"], line["prediction_id"]) for line in logs] == [("dead_letter", UNKNOWN)]


@pytest.mark.usefixtures("look_at_once")
async def test_an_outcome_whose_prediction_comes_by_another_machine_is_joined(
    spool: Spooled, store: FakeStore, make_record: MakeRecord
) -> None:
    prediction_id = make_record(1).prediction_id
    spool.append_outcomes((prediction_id, HEARD))
    with delivery_of(spool, store) as delivery:
        await delivery.deliver()
        store.records[prediction_id] = make_record(1)
        await delivery.deliver()
    assert store.records[prediction_id].outcome == HEARD
    assert spool.counts() == SpoolCounts()


async def test_an_outcome_that_the_store_cannot_place_yet_is_tried_again_without_haste(
    spool: Spooled,
) -> None:
    """Its prediction was stored between the two steps of a look: no look in vain, and no reason to spin."""

    class Between(FakeStore):
        async def join(self, outcomes: Mapping[str, Outcome]) -> Joined:
            self.joins += 1
            return Joined(set(outcomes) if self.joins > 1 else set(), set(), set(), set())

    store = Between()
    spool.append_outcomes((UNKNOWN, HEARD))
    with delivery_of(spool, store) as delivery:
        assert not await delivery.deliver()
        assert spool.counts() == SpoolCounts(held_outcomes=1)
        assert await delivery.deliver()
    assert spool.counts() == SpoolCounts()


async def test_a_poison_record_becomes_a_dead_letter_with_its_outcome_and_holds_up_nothing(
    spool: Spooled, store: FakeStore, make_record: MakeRecord
) -> None:
    store.refused = {make_record(1).prediction_id}
    spool.append(*(make_record(n) for n in range(3)))
    spool.append_outcomes((make_record(1).prediction_id, HEARD))
    await flush(spool, store)
    assert set(store.records) == {make_record(0).prediction_id, make_record(2).prediction_id}
    assert spool.status().dead == {("outcome", "refused"): 1, ("prediction", "refused"): 1}
    assert spool.counts() == SpoolCounts(0, 0, 1, 1)


async def test_a_row_that_the_disk_gives_back_as_no_text_holds_up_nothing(
    spool: Spooled, store: FakeStore, make_record: MakeRecord
) -> None:
    spool.append(*(make_record(n) for n in range(2)))
    damage = "CAST(replace(CAST(body AS BLOB), CAST('simple' AS BLOB), X'FFFF') AS TEXT)"
    spool.execute(f"UPDATE predictions SET body = {damage} WHERE number = 1")
    spool.append_outcomes((make_record(1).prediction_id, HEARD))
    spool.execute("UPDATE outcomes SET body = CAST(X'FF' AS TEXT)")
    await flush(spool, store)
    assert set(store.records) == {make_record(1).prediction_id}
    assert spool.status().dead == {("outcome", "unreadable"): 1, ("prediction", "unreadable"): 1}
    assert (spool.waiting(), spool.waiting_outcomes()) == (0, 0)


async def test_what_cannot_be_read_becomes_a_dead_letter_and_holds_up_nothing(
    spool: Spooled, store: FakeStore, make_record: MakeRecord
) -> None:
    spool.append(*(make_record(n) for n in range(3)))
    spool.execute("UPDATE predictions SET body = '{broken' WHERE number = 1")
    spool.append_outcomes(*((make_record(n).prediction_id, HEARD) for n in (1, 2)))
    spool.execute("UPDATE outcomes SET body = '{broken' WHERE number = 1")
    with delivery_of(spool, store) as delivery:
        while await delivery.deliver():
            pass
    assert {key: record.outcome for key, record in store.records.items()} == {
        make_record(1).prediction_id: None,  # its outcome is no concern of it
        make_record(2).prediction_id: HEARD,
    }
    assert spool.status().dead == {("outcome", "unreadable"): 1, ("prediction", "unreadable"): 1}
    assert (spool.waiting(), spool.waiting_outcomes()) == (0, 0)


async def test_a_record_of_a_later_release_is_delivered_without_what_that_added(
    spool: Spooled, store: FakeStore, make_record: MakeRecord
) -> None:
    spool.append(make_record(1), make_record(2))
    spool.append_outcomes((make_record(1).prediction_id, HEARD))
    for table in ("predictions", "outcomes"):
        spool.execute(
            f"""UPDATE {table} SET body = json_set(body, '$.of_a_later_release', json('{{"a": 1}}'))"""
        )
    await flush(spool, store)
    assert store.records == {
        make_record(1).prediction_id: make_record(1).with_outcome(HEARD),
        make_record(2).prediction_id: make_record(2),
    }
    assert spool.counts() == SpoolCounts()


async def test_what_was_stored_before_a_crash_is_delivered_again_without_harm(
    spool: Spooled, store: FakeStore, make_record: MakeRecord
) -> None:
    """The answer of MongoDB was lost, and with it that the outcomes were stored too."""
    store.records[make_record(1).prediction_id] = make_record(1).with_outcome(HEARD)
    store.records[make_record(2).prediction_id] = make_record(2)
    spool.append(make_record(1), make_record(2))
    spool.append_outcomes(*((make_record(n).prediction_id, HEARD) for n in (1, 2)))
    await flush(spool, store)
    assert [store.records[make_record(n).prediction_id].outcome for n in (1, 2)] == [HEARD, HEARD]
    assert spool.counts() == SpoolCounts()


async def test_stopping_while_the_store_is_away_keeps_the_records(
    spool: Spooled, store: FakeStore, make_record: MakeRecord
) -> None:
    store.away = True
    spool.append(make_record(1))
    with capture_logs() as logs:
        await flush(spool, store)
    assert spool.waiting() == 1
    assert [(line["event"], line["waiting"]) for line in logs] == [("spool_not_flushed", 1)]


async def test_the_end_waits_for_no_store_that_hangs(
    spool: Spooled, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "STALLED_AFTER_S", 0.01)

    class Hanging(FakeStore):
        async def add(self, records: Mapping[str, PredictionRecord]) -> Stored:
            await asyncio.sleep(3600)
            return await super().add(records)

    spool.append(make_record(1))
    async with asyncio.timeout(60):
        await flush(spool, Hanging(), within_s=3600)
    assert spool.waiting() == 1


async def test_the_end_delivers_for_as_long_as_a_slow_store_goes_on(
    spool: Spooled, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "STALLED_AFTER_S", 1.0)
    monkeypatch.setattr(delivery_module, "BATCH_ROWS", 10)

    class Slow(FakeStore):
        async def add(self, records: Mapping[str, PredictionRecord]) -> Stored:
            await asyncio.sleep(0.4)
            return await super().add(records)

    store = Slow()
    spool.append(*(make_record(n) for n in range(40)))
    await flush(spool, store, within_s=3600)
    assert (spool.waiting(), store.batches) == (0, 4)


async def test_an_end_that_is_cut_short_ends_although_the_driver_swallows_the_cancellation(
    spool: Spooled, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "STALLED_AFTER_S", 0.1)
    monkeypatch.setattr(delivery_module, "BATCH_ROWS", 10)

    class Swallowing(FakeStore):
        async def add(self, records: Mapping[str, PredictionRecord]) -> Stored:
            with contextlib.suppress(asyncio.CancelledError):  # as PyMongo's network layer now and then does
                await asyncio.sleep(3600)
            return await super().add(records)

    spool.append(*(make_record(n) for n in range(40)))
    async with asyncio.timeout(60):
        await flush(spool, Swallowing(), within_s=0.25)
    assert 0 < spool.waiting() < 40


async def test_a_spool_that_fills_faster_than_it_empties_is_emptied_in_the_end(
    spool: Spooled, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "BATCH_ROWS", 100)

    class Slow(FakeStore):
        async def add(self, records: Mapping[str, PredictionRecord]) -> Stored:
            if self.batches < 3:  # as many again, and more, come meanwhile
                first = 100 + 200 * self.batches
                spool.append(*(make_record(first + n) for n in range(200)))
            return await super().add(records)

    store = Slow()
    spool.append(*(make_record(n) for n in range(100)))
    async with running(spool, store):
        await eventually(lambda: spool.waiting() == 0)
    assert len(store.records) == 700


class Quoting(FakeStore):
    """A driver with a bug, whose errors quote what was logged."""

    async def add(self, records: Mapping[str, PredictionRecord]) -> Stored:
        self.batches += 1
        if self.batches <= 2:
            raise ValueError(f"cannot store {next(iter(records.values())).listener_id}")
        return await super().add(records)


async def test_a_bug_ends_no_delivery_and_is_logged_without_its_text(
    spool: Spooled, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "_LONGEST_DELAY_S", 0.02)
    spool.append(make_record(1))
    store = Quoting()
    with capture_logs() as logs:
        async with running(spool, store):
            await eventually(lambda: spool.waiting() == 0)
    assert [(line["event"], line["reason"]) for line in logs] == [("delivery_failed", "ValueError")] * 2
    assert all("in add" in line["where"] for line in logs)
    assert "cannot store" not in str(logs)


async def test_a_bug_at_the_end_is_logged_without_its_text_and_ends_it(
    spool: Spooled, make_record: MakeRecord
) -> None:
    spool.append(make_record(1))
    with capture_logs() as logs:
        await flush(spool, Quoting())
    assert [line["event"] for line in logs] == ["delivery_failed", "spool_not_flushed"]
    assert "cannot store" not in str(logs)


async def test_a_spool_that_is_deleted_while_it_is_delivered_loses_nothing(
    spool: Spooled, store: FakeStore, make_record: MakeRecord
) -> None:
    store.away = True
    spool.append(make_record(1))
    with delivery_of(spool, store) as delivery:
        with pytest.raises(StorageUnavailableError):
            await delivery.deliver()
        for path in spool.directory.iterdir():
            path.unlink()
        fresh = Spooled(spool.directory)  # as the workers do
        fresh.append(make_record(2))
        store.away = False
        while await delivery.deliver():
            pass
        assert fresh.counts() == SpoolCounts()
        fresh.close()
    assert set(store.records) == {make_record(1).prediction_id, make_record(2).prediction_id}
