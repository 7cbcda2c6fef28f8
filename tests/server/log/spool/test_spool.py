import asyncio
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import asdict, replace
from structlog.testing import capture_logs

from server.errors import OutcomeConflictError, SpoolFullError, StartError, StorageUnavailableError
from server.log.record import Outcome, PredictionRecord
from server.log.spool.file import SpoolFile
from server.log.spool.folder import count_spooled
from server.log.spool.rows import SpoolCounts
from server.log.spool.spool import Spool

MakeRecord = Callable[[int], PredictionRecord]
HEARD = Outcome(skipped=False, listened_ms=9000, recorded_at=datetime(2030, 1, 1, tzinfo=UTC))
SKIPPED = Outcome(skipped=True, listened_ms=1000, recorded_at=datetime(2030, 1, 1, tzinfo=UTC))


async def test_what_was_appended_is_there_after_reopening(tmp_path: Path, make_record: MakeRecord) -> None:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    await spool.append(make_record(2))
    await spool.append(make_record(1))
    await spool.add_outcome(make_record(1).prediction_id, HEARD)
    await spool.close()

    reopened = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    assert reopened.filled.is_set()
    assert reopened.depth == 2
    oldest, newest = await reopened.read(10)
    assert PredictionRecord.from_json(oldest.body) == make_record(1)
    assert oldest.outcome is not None
    assert Outcome.from_json(oldest.outcome) == HEARD
    assert (newest.prediction_id, newest.outcome) == (make_record(2).prediction_id, None)
    await reopened.close()


def test_what_was_appended_survives_a_kill(tmp_path: Path) -> None:
    program = f"""
import asyncio, os, signal
from datetime import UTC, datetime
from pathlib import Path
from server.log.record import PredictionRecord
from server.log.spool.spool import Spool
async def main():
    spool = Spool(Path({str(tmp_path / "spool" / "0.sqlite3")!r}), max_records=1000)
    now = datetime.now(UTC)
    await asyncio.gather(*(spool.append(PredictionRecord(
        f"{{n:024x}}", "e", "p", "a", "m", "1", 1.0, None, "t", (), 0.5, False, now, 1)) for n in range(100)))
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    killed = subprocess.run([sys.executable, "-c", program], check=False, timeout=60)
    assert killed.returncode == -9
    assert count_spooled(tmp_path / "spool") == SpoolCounts(100, 0, 0)


async def test_callers_that_wait_together_share_commits(tmp_path: Path, make_record: MakeRecord) -> None:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=1000)
    statements: list[str] = []
    spool._committer._file.connection.set_trace_callback(statements.append)
    await asyncio.gather(*(spool.append(make_record(n)) for n in range(200)))
    assert spool.depth == 200
    assert statements.count("COMMIT") < 100
    await spool.close()


async def test_a_full_spool_refuses_and_recovers_once_rows_leave(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=2)
    results = await asyncio.gather(*(spool.append(make_record(n)) for n in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), type(None), SpoolFullError]
    await spool.remove(await spool.read(1))
    await spool.append(make_record(3))
    assert spool.depth == 2
    await spool.close()


async def test_a_full_disk_refuses_and_keeps_what_was_answered(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=100_000)
    (pages,) = spool._committer._file.connection.execute("PRAGMA page_count").fetchone()
    # SQLite reports that as a full disk.
    spool._committer._file.connection.execute(f"PRAGMA max_page_count = {pages + 8}")
    results: list[BaseException | None] = []
    for number in range(1000):
        results += await asyncio.gather(spool.append(make_record(number)), return_exceptions=True)
    answered = results.count(None)
    assert 0 < answered < 1000
    assert {type(result) for result in results[answered:]} == {SpoolFullError}
    assert spool.depth == answered
    assert len(await spool.read(10_000)) == answered
    await spool.close()


async def test_rows_that_come_and_go_at_the_same_time_are_all_counted(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    """A count that drifts makes the spool refuse for good, or grow without a bound."""
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10_000)

    async def fill() -> None:
        for start in range(0, 400, 20):
            await asyncio.gather(*(spool.append(make_record(start + n)) for n in range(20)))

    async def empty() -> None:
        while rows := await spool.read(7):
            await spool.remove(rows)

    filling = asyncio.create_task(fill())
    while not filling.done():
        await empty()
    assert spool.depth == len(await spool.read(10_000))
    await empty()
    assert spool.depth == 0
    await spool.close()


async def test_what_left_is_counted_although_its_caller_was_cut_off(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    """As when the server stops while a batch is being removed."""
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    await asyncio.gather(*(spool.append(make_record(n)) for n in range(3)))
    rows = await spool.read(10)
    removal = asyncio.create_task(spool.remove(rows))
    await asyncio.sleep(0)
    removal.cancel()
    assert await spool.read(10) == []
    assert spool.depth == 0
    await spool.close()


async def test_rows_that_are_being_committed_count_towards_the_limit(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=2)
    taken = threading.Event()
    release = threading.Event()
    insert = SpoolFile.insert

    def slow_insert(file: SpoolFile, rows: Sequence[tuple[str, str]]) -> None:
        taken.set()
        release.wait(30)
        insert(file, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SpoolFile, "insert", slow_insert)
        pair = [asyncio.create_task(spool.append(make_record(n))) for n in range(2)]
        await asyncio.to_thread(taken.wait, 30)
        try:
            with pytest.raises(SpoolFullError):
                await spool.append(make_record(2))
        finally:
            release.set()
        await asyncio.gather(*pair)
    assert spool.depth == 2
    await spool.close()


async def test_a_disk_that_cannot_be_asked_refuses_and_recovers(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    """An error there once ended the thread: every later call waited for ever."""
    folder, elsewhere = tmp_path / "spool", tmp_path / "elsewhere"
    spool = Spool(folder / "0.sqlite3", max_records=10)
    await spool.append(make_record(1))
    folder.rename(elsewhere)
    with capture_logs() as logs:
        for number in (2, 3):
            with pytest.raises(SpoolFullError):
                await spool.append(make_record(number))
        assert len(await spool.read(10)) == 1  # delivery goes on
        elsewhere.rename(folder)
        await spool.append(make_record(2))
    assert [line["event"] for line in logs] == ["spool_refuses", "spool_accepts"]
    assert spool.depth == 2
    await spool.close()


async def test_a_file_that_was_deleted_takes_nothing_more(tmp_path: Path, make_record: MakeRecord) -> None:
    """What is written to a deleted file is on disk only until the process ends."""
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    (tmp_path / "spool" / "0.sqlite3").unlink()
    (tmp_path / "spool" / "0.sqlite3").touch()
    with pytest.raises(SpoolFullError):
        await spool.append(make_record(1))
    await spool.close()


async def test_an_equal_outcome_is_taken_again_and_another_one_refused(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    await spool.append(make_record(1))
    known = make_record(1).prediction_id
    assert await spool.add_outcome(known, HEARD)
    assert await spool.add_outcome(known, Outcome(False, 9000, datetime.now(UTC)))
    # In one group with a good append: the refusal is its caller's alone.
    refused, appended = await asyncio.gather(
        spool.add_outcome(known, SKIPPED), spool.append(make_record(2)), return_exceptions=True
    )
    assert isinstance(refused, OutcomeConflictError)
    assert appended is None
    (row, _) = await spool.read(10)
    assert row.outcome is not None
    assert Outcome.from_json(row.outcome) == HEARD
    assert not await spool.add_outcome("f" * 24, HEARD)
    await spool.close()


async def test_an_outcome_that_comes_while_its_row_is_on_the_way_to_mongodb_is_not_lost(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    await spool.append(make_record(1))
    on_the_way = await spool.read(10)
    assert await spool.add_outcome(make_record(1).prediction_id, HEARD)
    await spool.remove(on_the_way)
    (row,) = await spool.read(10)
    assert row.outcome is not None
    await spool.remove([row])
    assert (await spool.read(10), spool.depth) == ([], 0)
    assert not spool.filled.is_set()
    await spool.close()


async def test_a_buried_row_leaves_the_way_free_and_keeps_its_reason(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    await spool.append(make_record(1))
    (row,) = await spool.read(10)
    await spool.bury(row, "too odd")
    assert spool.depth == 0
    await spool.close()
    assert count_spooled(tmp_path / "spool") == SpoolCounts(0, 0, 1)
    connection = sqlite3.connect(tmp_path / "spool" / "0.sqlite3")
    assert connection.execute("SELECT reason FROM dead_letters").fetchall() == [("too odd",)]
    connection.close()


async def test_dead_predictions_are_counted_by_phase_and_apart_from_outcomes(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    """Else a record that was refused in an old phase would forbid every later verdict."""
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    records = [replace(make_record(n), phase=phase) for n, phase in enumerate(("old", "new", "new"))]
    for record in records:
        await spool.append(record)
    for row in await spool.read(10):
        await spool.bury(row, "too odd")
    await spool.hold_outcome("a" * 24, HEARD)
    (held,) = await spool.read_outcomes(10)
    await spool.bury(held, "no such prediction was logged")
    assert (spool.depth, spool.held_outcomes) == (0, 0)
    await spool.close()
    counted = [
        count_spooled(tmp_path / "spool", phase)
        for phase in (
            None,
            (records[0].experiment, "old"),
            (records[0].experiment, "new"),
            ("another", "new"),
        )
    ]
    assert [counts.dead_letters for counts in counted] == [3, 1, 2, 0]
    assert {counts.dead_outcomes for counts in counted} == {1}


async def test_a_clock_that_is_set_back_keeps_no_outcome_from_being_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    await spool.hold_outcome("a" * 24, HEARD)
    held = await spool.read_outcomes(10)
    await spool.postpone_outcomes(held, 10)
    assert await spool.read_outcomes(10) == []
    now = time.time()
    monkeypatch.setattr("server.log.spool.file.time.time", lambda: now - 86_400)
    assert await spool.read_outcomes(10) == held
    await spool.close()


async def test_a_cancelled_caller_does_not_disturb_its_group(tmp_path: Path, make_record: MakeRecord) -> None:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    impatient = asyncio.ensure_future(spool.append(make_record(1)))
    patient = asyncio.ensure_future(spool.append(make_record(2)))
    await asyncio.sleep(0)
    impatient.cancel()
    await patient
    assert make_record(2).prediction_id in [row.prediction_id for row in await spool.read(10)]
    await spool.close()


async def test_a_closed_spool_refuses_instead_of_hanging(tmp_path: Path, make_record: MakeRecord) -> None:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    await spool.close()
    with pytest.raises(StorageUnavailableError):
        await spool.append(make_record(1))


async def test_a_file_that_is_no_spool_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "0.sqlite3").write_bytes(b"not a database, but long enough to be looked at" * 50)
    with pytest.raises(StartError, match="cannot open the spool"):
        Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    with pytest.raises(StartError, match="cannot open the spool"):
        count_spooled(tmp_path / "spool")


async def test_what_was_read_and_not_removed_is_still_to_be_moved(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    """Else the writer would wait for a new record before it tried again what MongoDB did not take."""
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    await spool.append(make_record(1))
    rows = await spool.read(10)
    assert spool.filled.is_set()
    await spool.remove(rows)
    await spool.read(10)
    assert not spool.filled.is_set()
    await spool.close()


def test_a_group_of_any_size_is_added_read_and_removed(tmp_path: Path) -> None:
    file = SpoolFile(tmp_path / "0.sqlite3")
    file.insert([(f"{n:024x}", f'{{"n": "ü\\n{n}"}}') for n in range(2500)])
    assert file.join(f"{7:024x}", HEARD)
    rows = file.oldest(2500)
    assert [row.body for row in rows] == [f'{{"n": "ü\\n{n}"}}' for n in range(2500)]
    assert [row.outcome for row in rows if row.outcome] == [HEARD.to_json()]
    assert file.remove(rows) == 2500
    assert file.oldest(1) == []
    file.close()


def test_a_record_of_an_earlier_release_is_read(make_record: MakeRecord) -> None:
    record = make_record(1)
    fields = asdict(record) | {"requested_at": record.requested_at.isoformat()}
    assert PredictionRecord.from_json(json.dumps(fields)) == record
