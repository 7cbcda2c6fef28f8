"""What a scrape sees of delivery and of joined outcomes: what was counted in the spool with the rows."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from server.errors import StorageUnavailableError
from server.log.delivery.delivery import Delivery
from server.log.mongo.store import Joined, Stored
from server.log.record import Outcome, PredictionRecord
from server.log.spool.file import FILE_NAME, SpoolFile
from server.metrics.delivery import DeliveryCollector

MakeRecord = Callable[[int], PredictionRecord]
Samples = dict[tuple[str, ...], float]


class CutOffError(Exception):
    """The machine loses its power."""


class Store:
    """A MongoDB that takes all, and may be cut off after it has."""

    def __init__(self) -> None:  # noqa: D107
        self.records: dict[str, PredictionRecord] = {}
        self.cut_off = False
        self.away = False
        self.asked: Callable[[], None] = lambda: None

    async def connect(self) -> None:
        self.asked()
        if self.away:
            raise StorageUnavailableError("away")

    async def add(self, records: Mapping[str, PredictionRecord]) -> Stored:
        await self.connect()
        fresh = {key: record for key, record in records.items() if key not in self.records}
        self.records |= fresh
        if self.cut_off:
            raise CutOffError
        return Stored(set(fresh), {})

    async def join(self, outcomes: Mapping[str, Outcome]) -> Joined:
        predicted = {}
        for key, outcome in outcomes.items():
            record = self.records[key]
            self.records[key] = record = record if record.outcome else record.with_outcome(outcome)
            if record.outcome == outcome:
                predicted[key] = (record.model, record.play_through_probability)
        return Joined(set(outcomes), set(), set(), set(), predicted)


@pytest.fixture
def store() -> Store:
    return Store()


def scrape(directory: Path) -> Samples:
    registry = CollectorRegistry()
    registry.register(DeliveryCollector(directory))
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in registry.collect()
        for sample in metric.samples
    }


def append(directory: Path, records: list[PredictionRecord], outcomes: list[tuple[str, Outcome]]) -> None:
    file = SpoolFile(directory / FILE_NAME)
    with file.transaction():
        file.insert(records)
        file.insert_outcomes(outcomes)
    file.close()


async def deliver(directory: Path, store: Store) -> None:
    delivery = Delivery(SpoolFile(directory / FILE_NAME), store)
    try:
        while await delivery.deliver():
            pass
    finally:
        delivery.close()


def outcome(skipped: bool, second: int = 0) -> Outcome:
    return Outcome(skipped, 1000, datetime(2030, 1, 1, 0, 0, second, tzinfo=UTC))


QUIET: Samples = {
    ("playthrough_delivered_total", "prediction"): 0,
    ("playthrough_delivered_total", "outcome"): 0,
    ("playthrough_delivery_failures_total", "unavailable"): 0,
    ("playthrough_delivery_failures_total", "error"): 0,
    ("playthrough_delivery_lag_seconds_count",): 0,
    ("playthrough_delivery_lag_seconds_sum",): 0,
}


def test_nothing_delivered_is_zero_and_an_unreadable_spool_shows_nothing(tmp_path: Path) -> None:
    assert scrape(tmp_path) == QUIET
    (tmp_path / FILE_NAME).write_bytes(b"something else" * 1_000)
    assert scrape(tmp_path) == {}


async def test_outcomes_are_counted_by_model_with_what_was_expected_of_them(
    tmp_path: Path, store: Store, make_record: MakeRecord
) -> None:
    asked_at = datetime.now(UTC) - timedelta(seconds=100)
    records = [replace(make_record(number), requested_at=asked_at) for number in range(4)]
    records[3] = replace(records[3], model="advanced", play_through_probability=0.9)
    ids = [record.prediction_id for record in records]
    # One comes with its prediction; two later; the fourth again, and differently late.
    append(tmp_path, records, [(ids[0], outcome(skipped=True))])
    await deliver(tmp_path, store)
    append(tmp_path, [], [(ids[1], outcome(skipped=False)), (ids[3], outcome(skipped=False))])
    await deliver(tmp_path, store)
    append(tmp_path, [], [(ids[3], outcome(skipped=False, second=7))])
    await deliver(tmp_path, store)
    seen = scrape(tmp_path)
    assert 400 <= seen.pop(("playthrough_delivery_lag_seconds_sum",)) < 4_000
    assert seen.pop(("playthrough_outcomes_squared_error_total", "simple")) == pytest.approx(0.0625 + 0.5625)
    assert seen.pop(("playthrough_outcomes_squared_error_total", "advanced")) == pytest.approx(0.01)
    assert seen == {
        ("playthrough_delivered_total", "prediction"): 4,
        ("playthrough_delivered_total", "outcome"): 3,
        ("playthrough_delivery_failures_total", "unavailable"): 0,
        ("playthrough_delivery_failures_total", "error"): 0,
        ("playthrough_delivery_lag_seconds_count",): 4,
        ("playthrough_outcomes_joined_total", "simple"): 2,
        ("playthrough_outcomes_joined_total", "advanced"): 1,
        ("playthrough_outcomes_played_through_total", "simple"): 1,
        ("playthrough_outcomes_played_through_total", "advanced"): 1,
        ("playthrough_outcomes_expected_total", "simple"): 0.5,
        ("playthrough_outcomes_expected_total", "advanced"): 0.9,
    }


async def test_what_is_delivered_again_after_a_crash_is_counted_once(
    tmp_path: Path, store: Store, make_record: MakeRecord
) -> None:
    append(tmp_path, [make_record(1)], [(make_record(1).prediction_id, outcome(skipped=True))])
    store.cut_off = True
    with pytest.raises(CutOffError):
        await deliver(tmp_path, store)
    assert scrape(tmp_path) == QUIET
    store.cut_off = False
    await deliver(tmp_path, store)
    await deliver(tmp_path, store)
    seen = scrape(tmp_path)
    assert seen["playthrough_delivered_total", "prediction"] == 1
    assert seen["playthrough_delivered_total", "outcome"] == 1
    assert seen["playthrough_outcomes_joined_total", "simple"] == 1


async def test_a_mongodb_that_is_away_counts_as_a_failure(tmp_path: Path, store: Store) -> None:
    store.away = True
    delivery = Delivery(SpoolFile(tmp_path / FILE_NAME), store)
    store.asked = delivery.stop
    await delivery.run()
    delivery.close()
    assert scrape(tmp_path) == QUIET | {("playthrough_delivery_failures_total", "unavailable"): 1}


def test_a_file_of_an_earlier_release_gets_counts(tmp_path: Path) -> None:
    file = SpoolFile(tmp_path / FILE_NAME)
    file.connection.executescript("DROP TABLE counts; PRAGMA user_version = 1")
    file.close()
    assert scrape(tmp_path) == QUIET
