"""What the report reads of the real embedded database."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from server.errors import StartError
from server.log.mongo.store import MongoStore
from server.log.record import Outcome, PredictionRecord
from server.report import Phase
from server.report.query import open_reader

MakeRecord = Callable[[int], PredictionRecord]
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
HEARD = Outcome(skipped=False, listened_ms=9000, recorded_at=NOON)


async def test_only_the_phase_that_is_told_is_read(mongodb_uri: str, make_record: MakeRecord) -> None:
    store = MongoStore(mongodb_uri)
    phases = ("aaaa", "bbbb", "aaaa", "bbbb")
    records = [
        replace(make_record(n), phase=phase, requested_at=NOON + timedelta(hours=n), outcome=HEARD)
        for n, phase in enumerate(phases)
    ]
    await store.add(records)
    await store.close()
    async with open_reader(mongodb_uri, None) as reader:
        found = await reader.phases()
        assert found == [
            Phase("model-comparison", "aaaa", 2, NOON, NOON + timedelta(hours=2)),
            Phase("model-comparison", "bbbb", 2, NOON + timedelta(hours=1), NOON + timedelta(hours=3)),
        ]
        logged = await reader.predictions(found[0])
    assert sorted(logged, key=lambda p: p.prediction_id) == [records[0], records[2]]

    async with open_reader(mongodb_uri, NOON + timedelta(hours=2)) as reader:
        found = await reader.phases()
        assert [phase.n for phase in found] == [1, 1]
        assert [p.prediction_id for p in await reader.predictions(found[0])] == [records[2].prediction_id]


async def test_nothing_logged_has_no_phases_and_a_mongodb_that_is_away_is_one_clear_error(
    mongodb_uri: str,
) -> None:
    async with open_reader(mongodb_uri, None) as reader:
        assert await reader.phases() == []
    with pytest.raises(StartError, match="no answer from MongoDB"):
        async with open_reader("mongodb://user:secret@127.0.0.1:9", None) as reader:
            await reader.phases()
