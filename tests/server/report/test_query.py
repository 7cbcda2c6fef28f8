"""What the report reads of the real embedded database."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from pandas.testing import assert_frame_equal

from server.errors import StartError
from server.log.mongo.documents import PredictionDocument
from server.log.mongo.store import MongoStore
from server.log.record import Outcome, PredictionRecord
from server.log.spool.file import FILE_NAME, SpoolFile
from server.report import Phase
from server.report.frame import read_frame
from server.report.query import read_phases, read_predictions, read_report
from tests.server.experiments import simulate
from tests.server.stored import to_stored

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
    await store.add({record.prediction_id: record for record in records})
    found = await read_phases(store)
    assert found == [
        Phase("model-comparison", "aaaa", 2, NOON, NOON + timedelta(hours=2)),
        Phase("model-comparison", "bbbb", 2, NOON + timedelta(hours=1), NOON + timedelta(hours=3)),
    ]
    assert_frame_equal(await read_predictions(store, found[0]), read_frame([records[2], records[0]]))

    since = NOON + timedelta(hours=2)
    found = await read_phases(store, since)
    assert [phase.n for phase in found] == [1, 1]
    assert_frame_equal(await read_predictions(store, found[0], since), read_frame([records[2]]))
    await store.close()


async def test_a_phase_knows_the_metric_that_it_was_declared_with(
    mongodb_uri: str, tmp_path: Path, make_record: MakeRecord
) -> None:
    store = MongoStore(mongodb_uri)
    declared = [replace(record, metric="brier", phase="new") for record in simulate(n=200)]
    earlier = [to_stored(make_record(n + 1000)) for n in range(3)]
    for document in earlier:
        del document["metric"]  # as servers logged that knew none
    told = [*declared, replace(make_record(2000), metric="auc", phase="later")]
    await store.add({record.prediction_id: record for record in told})
    await PredictionDocument.get_pymongo_collection().insert_many(earlier)
    assert {phase.phase: phase.metric for phase in await read_phases(store)} == {
        "0123456789ab": "accuracy",
        "new": "brier",
        "later": "auc",
    }
    await store.close()
    folders = tmp_path / "mongodb", tmp_path / "spool"
    assert (await read_report(mongodb_uri, *folders, phase="new")).metric == "brier"
    explored = await read_report(mongodb_uri, *folders, phase="new", shown_first="log_loss")
    assert (explored.metric, explored.shown_first) == ("brier", "log_loss")
    assert "the phase declared Brier score" in explored.verdict
    with pytest.raises(StartError, match="knows no metric 'auc'"):
        await read_report(mongodb_uri, *folders, phase="later")


async def test_where_nothing_was_logged_there_is_no_report(
    mongodb_uri: str, tmp_path: Path, make_record: MakeRecord
) -> None:
    """A command in the wrong folder that exits with 0 would pass for an experiment without results."""
    spool = tmp_path / "spool"
    with pytest.raises(StartError, match=f"{mongodb_uri} holds no prediction, and none waits in {spool}"):
        await read_report(mongodb_uri, tmp_path / "mongodb", spool)
    with pytest.raises(StartError, match=f"{tmp_path / 'mongodb'} holds no database"):
        await read_report(None, tmp_path / "mongodb", spool)
    with pytest.raises(StartError, match="no answer from MongoDB"):
        await read_report("mongodb://user:secret@127.0.0.1:9", tmp_path / "mongodb", spool)
    file = SpoolFile(spool / FILE_NAME)
    with file.transaction():
        file.insert([make_record(1)])
    file.close()
    report = await read_report(mongodb_uri, tmp_path / "mongodb", spool)  # on its way, and so no mistake
    assert report.health.n_waiting_in_spool == 1
