"""The log as the service sees it, on a real spool."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from server.errors import SpoolFullError, UnknownPredictionError
from server.log.experiment_log import ExperimentLog
from server.log.prediction_id import new_prediction_id
from server.log.record import PredictionRecord
from server.log.spool.spool import Spool
from tests.server.log.spool.contents import HEARD, SKIPPED, outcomes_in, predictions_in

MakeRecord = Callable[[int], PredictionRecord]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
async def log(folder: Path) -> AsyncIterator[ExperimentLog]:
    spool = Spool(folder, max_records=2)
    yield ExperimentLog(spool)
    await spool.close()


async def test_a_prediction_is_on_disk_when_it_is_logged(
    log: ExperimentLog, folder: Path, make_record: MakeRecord
) -> None:
    assert await log.add(make_record(1)) == make_record(1)
    assert predictions_in(folder) == [make_record(1)]


async def test_a_request_that_comes_again_is_the_same_prediction(
    log: ExperimentLog, folder: Path, make_record: MakeRecord
) -> None:
    first = replace(make_record(1), prediction_id=log.new_prediction_id("play-42"))
    again = replace(make_record(2), prediction_id=log.new_prediction_id("play-42"))
    assert await log.add(first, retried=True) == first
    assert await log.add(again, retried=True) == first
    assert predictions_in(folder) == [first]
    assert log.new_prediction_id() != log.new_prediction_id()


async def test_every_outcome_that_may_be_somebodys_is_on_disk_when_it_is_taken(
    log: ExperimentLog, folder: Path
) -> None:
    """Its prediction may be another machine's; of two outcomes delivery finds out which was first."""
    name = new_prediction_id()
    await log.add_outcome(name, HEARD)
    await log.add_outcome(name, SKIPPED)
    assert outcomes_in(folder) == [(name, HEARD), (name, SKIPPED)]


@pytest.mark.parametrize("name", ["", "f" * 24, "not an id"])
async def test_an_outcome_of_an_id_that_no_server_issued_is_refused(
    log: ExperimentLog, folder: Path, name: str
) -> None:
    with pytest.raises(UnknownPredictionError, match="unknown prediction"):
        await log.add_outcome(name, HEARD)
    assert outcomes_in(folder) == []


async def test_a_full_spool_refuses(log: ExperimentLog, make_record: MakeRecord) -> None:
    await log.add(make_record(1))
    await log.add(make_record(2))
    with pytest.raises(SpoolFullError):
        await log.add(make_record(3))
