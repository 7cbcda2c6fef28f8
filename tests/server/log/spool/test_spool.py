import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from server.errors import SpoolFullError, StartError
from server.log.record import PredictionRecord
from server.log.spool.file import FILE_NAME
from server.log.spool.rows import RETRIED_WITHIN_S
from server.log.spool.spool import Spool
from tests.server.log.spool.contents import (
    HEARD,
    SKIPPED,
    deliver,
    opened,
    outcomes_in,
    predictions_in,
    write_broken_file,
)

MakeRecord = Callable[[int], PredictionRecord]
A, B = "a" * 24, "b" * 24


async def taken_again(call: Callable[[], Awaitable[object]]) -> None:
    """Calls until the spool is no longer full: it looks at its counts every so often."""
    async with asyncio.timeout(30):
        while True:
            try:
                await call()
            except SpoolFullError:
                await asyncio.sleep(0.01)
            else:
                return


async def test_what_was_appended_is_there_after_reopening(folder: Path, make_record: MakeRecord) -> None:
    spool = Spool(folder, max_records=2)
    assert await spool.append(make_record(2)) == make_record(2)
    await spool.append(make_record(1))
    await spool.append_outcome(make_record(1).prediction_id, HEARD)
    await spool.append_outcome(A, SKIPPED)
    await spool.close()
    reopened = Spool(folder, max_records=2)
    with pytest.raises(SpoolFullError):
        await reopened.append(make_record(3))
    with pytest.raises(SpoolFullError):
        await reopened.append_outcome(B, HEARD)
    await reopened.close()
    assert predictions_in(folder) == [make_record(2), make_record(1)]
    assert outcomes_in(folder) == [(make_record(1).prediction_id, HEARD), (A, SKIPPED)]


async def test_a_file_that_is_no_spool_is_one_clear_error(folder: Path) -> None:
    write_broken_file(folder)
    with pytest.raises(StartError, match="cannot open the spool"):
        Spool(folder, max_records=10)


async def test_a_damaged_file_is_one_clear_error(folder: Path, make_record: MakeRecord) -> None:
    with opened(folder) as file:
        with file.transaction():
            file.insert([make_record(n) for n in range(1000)])
        file.compact()
    content = bytearray((folder / FILE_NAME).read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)  # all but the page that names the tables
    (folder / FILE_NAME).write_bytes(content)
    with pytest.raises(StartError, match="cannot read the spool"):
        Spool(folder, max_records=10)


async def test_a_full_spool_refuses_and_recovers_once_rows_leave(
    folder: Path, make_record: MakeRecord
) -> None:
    spool = Spool(folder, max_records=2)
    results = await asyncio.gather(*(spool.append(make_record(n)) for n in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [PredictionRecord, PredictionRecord, SpoolFullError]
    await spool.append_outcome(A, HEARD)  # has a limit of its own
    assert deliver(folder, 1) == 1
    await taken_again(lambda: spool.append(make_record(3)))
    with pytest.raises(SpoolFullError):
        await spool.append(make_record(4))
    await spool.close()
    assert predictions_in(folder) == [make_record(1), make_record(3)]


async def test_a_spool_that_was_full_when_it_was_deleted_takes_records_again(
    folder: Path, make_record: MakeRecord
) -> None:
    """Only what it writes would have shown it that its file has gone."""
    spool = Spool(folder, max_records=1)
    await spool.append(make_record(1))
    shutil.rmtree(folder)
    await taken_again(lambda: spool.append(make_record(2)))
    await spool.close()
    assert predictions_in(folder) == [make_record(2)]


async def test_too_many_outcomes_are_refused_until_some_leave(folder: Path, make_record: MakeRecord) -> None:
    with opened(folder) as file, file.transaction():
        file.insert_outcomes([(A, HEARD), (B, HEARD)])
    spool = Spool(folder, max_records=2)
    with pytest.raises(SpoolFullError):
        await spool.append_outcome(A, SKIPPED)
    await spool.append(make_record(1))
    with opened(folder) as file, file.transaction():
        file.remove_outcomes(file.due_outcomes(1))
    await taken_again(lambda: spool.append_outcome(A, SKIPPED))
    await spool.close()
    assert outcomes_in(folder) == [(B, HEARD), (A, SKIPPED)]


async def test_what_another_worker_appends_counts_towards_the_limit(
    folder: Path, make_record: MakeRecord
) -> None:
    first, second = Spool(folder, max_records=3), Spool(folder, max_records=3)
    await first.append(make_record(1))
    await first.append(make_record(2))
    await second.append(make_record(3))
    with pytest.raises(SpoolFullError):
        await second.append(make_record(4))
    await first.close()
    await second.close()


_WORKER = """
import asyncio, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from server.log.record import Outcome, PredictionRecord
from server.log.spool.spool import Spool

folder, worker = Path(sys.argv[1]), int(sys.argv[2])
now = datetime.now(UTC)

def record(n):
    return PredictionRecord(
        f"{worker:04x}{n:020x}", "e", "p", "a", "m", "1", 1.0, None, "t", (), 0.5, False, now, 1)

async def main():
    spool = Spool(folder, max_records=1_000_000)
    for start in range(0, 400, 20):
        calls = [spool.append(record(n), retried=n % 2 == 0) for n in range(start, start + 20)]
        for n in (start, start + 1):
            calls.append(spool.append_outcome(record(n).prediction_id, Outcome(True, n, now)))
        await asyncio.gather(*calls)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_what_several_processes_were_answered_survives_a_kill_of_all_of_them(folder: Path) -> None:
    workers = [
        subprocess.Popen([sys.executable, "-c", _WORKER, str(folder), str(number)]) for number in range(3)
    ]
    delivered = 0
    try:
        while any(worker.poll() is None for worker in workers):  # delivery goes on at the same time
            delivered += deliver(folder, 50)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert [worker.returncode for worker in workers] == [-9] * 3
    assert delivered + deliver(folder) == 3 * 400
    assert deliver(folder) == 0
    expected = sorted(
        (f"{worker:04x}{n:020x}", n) for worker in range(3) for s in range(0, 400, 20) for n in (s, s + 1)
    )
    assert sorted((name, outcome.listened_ms) for name, outcome in outcomes_in(folder)) == expected


def retry_of(record: PredictionRecord) -> PredictionRecord:
    """Returns what another arm would have answered to the same request."""
    return replace(record, arm="advanced", model="advanced", play_through_probability=0.75)


async def test_a_retry_in_the_same_group_is_the_same_prediction(
    folder: Path, make_record: MakeRecord
) -> None:
    spool = Spool(folder, max_records=10)
    first = make_record(1)
    results = await asyncio.gather(
        spool.append(first, retried=True),
        spool.append(make_record(2)),
        spool.append(retry_of(first), retried=True),
    )
    assert list(results) == [first, make_record(2), first]
    await spool.close()
    assert predictions_in(folder) == [first, make_record(2)]


@pytest.mark.parametrize("on_another_worker", [False, True])
async def test_a_later_retry_is_the_same_prediction_on_every_worker_before_and_after_delivery(
    folder: Path, make_record: MakeRecord, on_another_worker: bool
) -> None:
    spool, other = Spool(folder, max_records=10), Spool(folder, max_records=10)
    asked_again = other if on_another_worker else spool
    first = make_record(1)
    await spool.append(first, retried=True)
    assert await asked_again.append(retry_of(first), retried=True) == first
    assert deliver(folder) == 1
    assert await asked_again.append(retry_of(first), retried=True) == first
    assert predictions_in(folder) == []  # it is not delivered again
    await spool.close()
    await other.close()


@pytest.mark.parametrize("delivered", [False, True])
async def test_a_retry_after_a_restart_is_the_same_prediction(
    folder: Path, make_record: MakeRecord, delivered: bool
) -> None:
    spool = Spool(folder, max_records=10)
    await spool.append(make_record(1), retried=True)
    await spool.close()
    if delivered:
        assert deliver(folder) == 1
    reopened = Spool(folder, max_records=10)
    assert await reopened.append(retry_of(make_record(1)), retried=True) == make_record(1)
    await reopened.close()
    assert predictions_in(folder) == ([] if delivered else [make_record(1)])


async def test_a_retry_that_comes_too_late_is_another_prediction(
    folder: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(folder, max_records=10)
    first = make_record(1)
    await spool.append(first, retried=True)
    assert deliver(folder) == 1
    later = time.time() + RETRIED_WITHIN_S + 1
    monkeypatch.setattr("server.log.spool.rows.time.time", lambda: later)
    assert await spool.append(retry_of(first), retried=True) == first  # until it is pruned
    with opened(folder) as file, file.transaction():
        assert file.prune() == 1
    assert await spool.append(retry_of(first), retried=True) == retry_of(first)
    await spool.close()


async def test_what_is_kept_for_retries_alone_is_not_waiting(folder: Path, make_record: MakeRecord) -> None:
    spool = Spool(folder, max_records=2)
    for n in range(0, 10, 2):
        await spool.append(make_record(n), retried=True)
        await spool.append(make_record(n + 1), retried=True)
        assert deliver(folder) == 2
        await taken_again(partial(spool.append, make_record(n), retried=True))
    await spool.close()
    assert predictions_in(folder) == []


async def test_a_request_that_comes_again_and_again_fills_no_spool(
    folder: Path, make_record: MakeRecord
) -> None:
    """While MongoDB is away: each once counted as one more prediction that waits."""
    spool = Spool(folder, max_records=3)
    for _ in range(10):
        assert await spool.append(make_record(1), retried=True) == make_record(1)
    assert await spool.append(make_record(2)) == make_record(2)
    assert await spool.append(make_record(3)) == make_record(3)
    await spool.close()


async def test_a_retry_whose_answer_cannot_be_read_fails_alone(folder: Path, make_record: MakeRecord) -> None:
    spool = Spool(folder, max_records=10)
    await spool.append(make_record(1), retried=True)
    with opened(folder) as file:
        file.connection.execute("""UPDATE predictions SET body = '{"model": 1}'""")
    failed, answered, outcome = await asyncio.gather(  # one group
        spool.append(make_record(1), retried=True),
        spool.append(make_record(2), retried=True),
        spool.append_outcome(A, HEARD),
        return_exceptions=True,
    )
    assert isinstance(failed, ValueError)
    assert (answered, outcome) == (make_record(2), None)
    await spool.close()
    with opened(folder) as file:
        assert file.find([make_record(2).prediction_id])
