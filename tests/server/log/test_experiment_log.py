"""Where an outcome goes: the spools first, then MongoDB; and while that is away, to be held."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from server.errors import OutcomeConflictError, StorageUnavailableError, UnknownPredictionError
from server.log import delivery as delivery_module
from server.log.delivery import Delivery
from server.log.experiment_log import ExperimentLog
from server.log.mongo.store import MongoStore
from server.log.record import Outcome, PredictionRecord
from server.log.spool.folder import count_spooled
from server.log.spool.rows import SpoolCounts
from server.log.spool.spool import Spool

MakeRecord = Callable[[int], PredictionRecord]
HEARD = Outcome(skipped=False, listened_ms=9000, recorded_at=datetime(2030, 1, 1, tzinfo=UTC))
SKIPPED = Outcome(skipped=True, listened_ms=1000, recorded_at=datetime(2030, 1, 1, tzinfo=UTC))
UNKNOWN = "f" * 24


class Absent:
    """A MongoDB that is away."""

    away = False
    calls = 0

    async def add_outcome(self, prediction_id: str, outcome: Outcome) -> None:
        self.calls += 1
        self.away = True
        raise StorageUnavailableError("away")


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=100)
    yield spool
    await spool.close()


@pytest.fixture
async def store(mongodb_uri: str) -> AsyncIterator[MongoStore]:
    store = MongoStore(mongodb_uri)
    yield store
    await store.close()


async def test_an_outcome_is_taken_while_mongodb_is_away_and_only_the_first_waits_to_learn_it(
    spool: Spool,
) -> None:
    absent = Absent()
    log = ExperimentLog(spool, absent)
    await log.add_outcome("a" * 24, HEARD)
    await log.add_outcome("b" * 24, HEARD)
    await log.add_outcome("a" * 24, HEARD)
    with pytest.raises(OutcomeConflictError):
        await log.add_outcome("a" * 24, SKIPPED)
    assert (absent.calls, spool.held_outcomes) == (1, 2)


async def test_held_outcomes_find_their_predictions_once_mongodb_is_back(
    spool: Spool, store: MongoStore, make_record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    early, late = make_record(1), make_record(2)
    await store.add([early, late])
    await store.add_outcome(late.prediction_id, SKIPPED)
    for prediction_id in (early.prediction_id, late.prediction_id, UNKNOWN):
        await spool.hold_outcome(prediction_id, HEARD)
    delivery = Delivery(spool, store)
    await delivery.stop(within_s=20)
    # The unknown one may be in another machine's spool: it waits. The late one lost to another outcome.
    assert count_spooled(tmp_path / "spool") == SpoolCounts(held_outcomes=1, dead_outcomes=1)
    with pytest.raises(OutcomeConflictError):
        await store.add_outcome(early.prediction_id, SKIPPED)

    monkeypatch.setattr(delivery_module, "_GIVE_UP_AFTER_S", -1e9)  # they are of 2030
    await spool.run(lambda file: file.postpone_outcomes([UNKNOWN], -1))
    await delivery.stop(within_s=20)
    assert count_spooled(tmp_path / "spool") == SpoolCounts(dead_outcomes=2)
    assert spool.held_outcomes == 0


async def test_an_unknown_prediction_is_told_apart_once_mongodb_answers(
    spool: Spool, store: MongoStore, make_record: MakeRecord
) -> None:
    log = ExperimentLog(spool, store)
    await log.add(make_record(1))
    with pytest.raises(UnknownPredictionError):
        await log.add_outcome(UNKNOWN, HEARD)
    await log.add_outcome(make_record(1).prediction_id, HEARD)
    await Delivery(spool, store).stop(within_s=20)
    await log.add_outcome(make_record(1).prediction_id, HEARD)
    with pytest.raises(OutcomeConflictError):
        await log.add_outcome(make_record(1).prediction_id, SKIPPED)


async def test_a_dead_letters_outcome_is_kept_with_it(spool: Spool, make_record: MakeRecord) -> None:
    await spool.append(make_record(1))
    await spool.run(lambda file: file.dead_letter(make_record(1).prediction_id, "too odd"))
    assert await spool.add_outcome(make_record(1).prediction_id, HEARD)
    with pytest.raises(OutcomeConflictError):
        await spool.add_outcome(make_record(1).prediction_id, SKIPPED)


async def test_the_kept_outcome_may_come_again_after_another_one_was_refused(
    spool: Spool, store: MongoStore, make_record: MakeRecord
) -> None:
    """The refused one is a dead letter; it must not answer for the prediction."""
    known = make_record(1)
    await store.add([replace(known, outcome=HEARD)])
    await spool.hold_outcome(known.prediction_id, SKIPPED)
    await Delivery(spool, store).stop(within_s=20)
    log = ExperimentLog(spool, store)
    await log.add_outcome(known.prediction_id, HEARD)
    with pytest.raises(OutcomeConflictError):
        await log.add_outcome(known.prediction_id, SKIPPED)
