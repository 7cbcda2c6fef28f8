import asyncio
import contextlib
import json
import shutil
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


async def oldest(spool: Spool, limit: int = 10_000) -> list[PredictionRecord]:
    return await spool.run(lambda file: file.oldest(limit))


async def remove(spool: Spool, records: list[PredictionRecord]) -> None:
    await spool.run(lambda file: file.remove(records))


async def due(spool: Spool) -> dict[str, Outcome]:
    return await spool.run(lambda file: file.held_outcomes(10))


async def test_what_was_appended_is_there_after_reopening(tmp_path: Path, make_record: MakeRecord) -> None:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    await spool.append(make_record(2))
    await spool.append(make_record(1))
    await spool.add_outcome(make_record(1).prediction_id, HEARD)
    await spool.close()

    reopened = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    assert reopened.depth == 2
    assert await oldest(reopened) == [replace(make_record(1), outcome=HEARD), make_record(2)]
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
    spool._committer.file.connection.set_trace_callback(statements.append)
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
    await remove(spool, await oldest(spool, 1))
    await spool.append(make_record(3))
    assert spool.depth == 2
    await spool.close()


async def test_a_full_disk_refuses_and_keeps_what_was_answered(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=100_000)
    (pages,) = spool._committer.file.connection.execute("PRAGMA page_count").fetchone()
    # SQLite reports that as a full disk.
    spool._committer.file.connection.execute(f"PRAGMA max_page_count = {pages + 8}")
    results: list[BaseException | None] = []
    for number in range(1000):
        results += await asyncio.gather(spool.append(make_record(number)), return_exceptions=True)
    answered = results.count(None)
    assert 0 < answered < 1000
    assert {type(result) for result in results[answered:]} == {SpoolFullError}
    assert spool.depth == answered
    assert len(await oldest(spool)) == answered
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
        while rows := await oldest(spool, 7):
            await remove(spool, rows)

    filling = asyncio.create_task(fill())
    while not filling.done():
        await empty()
    assert spool.depth == len(await oldest(spool))
    await empty()
    assert spool.depth == 0
    await spool.close()


async def test_what_left_is_counted_although_its_caller_was_cut_off(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    """As when the server stops while a batch is being removed."""
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    await asyncio.gather(*(spool.append(make_record(n)) for n in range(3)))
    rows = await oldest(spool, 10)
    removal = asyncio.create_task(remove(spool, rows))
    await asyncio.sleep(0)
    removal.cancel()
    assert await oldest(spool, 10) == []
    assert spool.depth == 0
    await spool.close()


async def test_rows_that_are_being_committed_count_towards_the_limit(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=2)
    taken = threading.Event()
    release = threading.Event()
    insert = SpoolFile.insert

    def slow_insert(file: SpoolFile, records: Sequence[PredictionRecord]) -> None:
        taken.set()
        release.wait(30)
        insert(file, records)

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
    tmp_path: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error there once ended the thread: every later call waited for ever."""

    def fail(path: Path) -> int:
        raise OSError("the disk is away")

    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    await spool.append(make_record(1))
    with capture_logs() as logs:
        with monkeypatch.context() as patch:
            patch.setattr("server.log.spool.committer.free_bytes", fail)
            for number in (2, 3):
                with pytest.raises(SpoolFullError):
                    await spool.append(make_record(number))
            assert len(await oldest(spool, 10)) == 1  # delivery goes on
        await spool.append(make_record(2))
    assert [line["event"] for line in logs] == ["spool_refuses", "spool_accepts"]
    assert spool.depth == 2
    await spool.close()


@pytest.mark.parametrize("whole_folder", [True, False])
async def test_what_was_deleted_is_written_anew_and_nothing_is_lost(
    tmp_path: Path, make_record: MakeRecord, whole_folder: bool
) -> None:
    folder = tmp_path / "spool"
    spool, sibling = Spool(folder / "0.sqlite3", max_records=10), Spool(folder / "1.sqlite3", max_records=10)
    for number in (1, 2):
        await spool.append(make_record(number))
    assert await sibling.add_outcome(make_record(1).prediction_id, HEARD)
    (record, _) = await oldest(spool)
    await spool.run(lambda file: file.dead_letter(record.prediction_id, "too odd"))
    if whole_folder:
        shutil.rmtree(folder)
    else:
        (folder / "0.sqlite3").unlink()
    with capture_logs() as logs:
        await spool.append(make_record(3))
    assert [line["event"] for line in logs] == ["spool_restored"]
    assert await sibling.add_outcome(make_record(2).prediction_id, HEARD)  # not in what was deleted
    assert await oldest(spool) == [replace(make_record(2), outcome=HEARD), make_record(3)]
    with pytest.raises(StartError, match="in use"):
        SpoolFile(folder / "0.sqlite3", own=True)
    await sibling.close()
    await spool.close()
    assert count_spooled(folder) == SpoolCounts(waiting=2, dead_letters=1)


async def test_an_outcome_that_was_committed_to_a_deleted_file_is_committed_again(
    tmp_path: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "spool"
    spool, sibling = Spool(folder / "0.sqlite3", max_records=10), Spool(folder / "1.sqlite3", max_records=10)
    await spool.append(make_record(1))
    loop, join = asyncio.get_running_loop(), SpoolFile.join
    deleted: list[SpoolFile] = []

    def join_while_the_file_is_replaced(file: SpoolFile, prediction_id: str, outcome: Outcome) -> bool:
        joined = join(file, prediction_id, outcome)
        if file.path == folder / "0.sqlite3" and not deleted:
            deleted.append(file)
            file.path.unlink()
            asyncio.run_coroutine_threadsafe(spool.append(make_record(2)), loop).result(timeout=60)
        return joined

    monkeypatch.setattr(SpoolFile, "join", join_while_the_file_is_replaced)
    assert await sibling.add_outcome(make_record(1).prediction_id, HEARD)
    assert deleted
    assert await oldest(spool) == [replace(make_record(1), outcome=HEARD), make_record(2)]
    await sibling.close()
    await spool.close()


async def test_an_outcome_of_a_file_that_is_not_written_anew_yet_is_refused_and_makes_no_file(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    folder = tmp_path / "spool"
    spool, sibling = Spool(folder / "0.sqlite3", max_records=10), Spool(folder / "1.sqlite3", max_records=10)
    for number in (1, 2):
        await spool.append(make_record(number))
    assert await sibling.add_outcome(make_record(1).prediction_id, HEARD)
    (folder / "0.sqlite3").unlink()
    with pytest.raises(SpoolFullError, match="cannot be written"):  # not taken for an unknown one
        await sibling.add_outcome(make_record(2).prediction_id, HEARD)
    with pytest.raises(StartError, match="cannot open"):
        SpoolFile(folder / "0.sqlite3", create=False)
    await spool.append(make_record(3))
    assert await sibling.add_outcome(make_record(2).prediction_id, HEARD)
    await sibling.close()
    await spool.close()


async def test_a_copy_that_was_not_moved_into_its_place_is_found_at_the_next_start(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    path = tmp_path / "spool" / "0.sqlite3"
    spool = Spool(path, max_records=10)
    await spool.append(make_record(1))
    await spool.close()
    path.rename(path.with_suffix(".restored"))
    again = Spool(path, max_records=10)
    assert await oldest(again) == [make_record(1)]
    await again.close()


async def test_a_restored_file_that_cannot_be_opened_is_restored_once_it_can(
    tmp_path: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "spool" / "0.sqlite3"
    spool = Spool(path, max_records=10)
    await spool.append(make_record(1))
    path.unlink()

    def fail(path: Path) -> sqlite3.Connection:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as full:
        full.setattr("server.log.spool.file._open", fail)
        with pytest.raises(SpoolFullError):
            await spool.append(make_record(2))
    await spool.append(make_record(3))
    assert await oldest(spool) == [make_record(1), make_record(3)]
    await spool.close()


async def test_a_file_that_was_replaced_takes_nothing_more(tmp_path: Path, make_record: MakeRecord) -> None:
    """What is written to a deleted file is on disk only until the process ends."""
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    (tmp_path / "spool" / "0.sqlite3").unlink()
    (tmp_path / "spool" / "0.sqlite3").touch()
    with pytest.raises(SpoolFullError, match="cannot be written"):
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
    (row, _) = await oldest(spool, 10)
    assert row.outcome == HEARD
    assert not await spool.add_outcome("f" * 24, HEARD)
    await spool.close()


async def test_an_outcome_that_comes_while_its_row_is_on_the_way_to_mongodb_is_not_lost(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    await spool.append(make_record(1))
    on_the_way = await oldest(spool, 10)
    assert await spool.add_outcome(make_record(1).prediction_id, HEARD)
    await remove(spool, on_the_way)
    (row,) = await oldest(spool, 10)
    assert row.outcome is not None
    await remove(spool, [row])
    assert (await oldest(spool, 10), spool.depth) == ([], 0)
    await spool.close()


async def test_a_dead_letter_leaves_the_way_free_and_keeps_its_reason(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    await spool.append(make_record(1))
    (row,) = await oldest(spool, 10)
    await spool.run(lambda file: file.dead_letter(row.prediction_id, "too odd"))
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

    def refuse(file: SpoolFile) -> None:
        for row in file.oldest(10):
            file.dead_letter(row.prediction_id, "too odd")
        file.dead_letter_outcome("a" * 24, HEARD, "no such prediction was logged")

    await spool.run(refuse)
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
    await spool.run(lambda file: file.postpone_outcomes(["a" * 24], 10))
    assert await due(spool) == {}
    now = time.time()
    monkeypatch.setattr("server.log.spool.rows.time.time", lambda: now - 86_400)
    assert await due(spool) == {"a" * 24: HEARD}
    await spool.close()


async def test_a_cancelled_caller_does_not_disturb_its_group(tmp_path: Path, make_record: MakeRecord) -> None:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    impatient = asyncio.ensure_future(spool.append(make_record(1)))
    patient = asyncio.ensure_future(spool.append(make_record(2)))
    await asyncio.sleep(0)
    impatient.cancel()
    await patient
    assert make_record(2).prediction_id in [row.prediction_id for row in await oldest(spool, 10)]
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


def test_a_group_of_any_size_is_added_read_and_removed(tmp_path: Path, make_record: MakeRecord) -> None:
    file = SpoolFile(tmp_path / "0.sqlite3")
    records = [replace(make_record(n), track_id=f"ü\n{n}") for n in range(2500)]
    file.insert(records)
    assert file.join(f"{7:024x}", HEARD)
    found = file.oldest(2500)
    assert found == [replace(r, outcome=HEARD) if n == 7 else r for n, r in enumerate(records)]
    assert file.waiting == 2500
    file.remove(found)
    assert (file.waiting, file.oldest(1)) == (0, [])
    file.close()


def test_what_earlier_releases_spooled_is_read(tmp_path: Path, make_record: MakeRecord) -> None:
    """They knew no digests, wrote times another way, and gave outcomes in any spelling."""
    file = SpoolFile(tmp_path / "0.sqlite3")
    record = make_record(1)
    fields = asdict(record) | {"requested_at": record.requested_at.isoformat()}
    fields = {name: value for name, value in fields.items() if name not in ("digest", "outcome")}
    outcome = json.dumps(asdict(HEARD) | {"recorded_at": HEARD.recorded_at.isoformat()})
    insert = "INSERT INTO predictions VALUES (?, ?, ?)"
    file.connection.execute(insert, (record.prediction_id, json.dumps(fields), outcome))
    file.count()
    found = file.oldest(10)
    assert found == [replace(record, digest="", outcome=HEARD)]
    file.remove(found)
    assert (file.waiting, file.counts()) == (0, SpoolCounts())
    file.close()


def test_what_later_releases_spooled_is_read_without_what_they_added(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    file = SpoolFile(tmp_path / "0.sqlite3")
    file.insert([make_record(1)])
    file.hold("a" * 24, HEARD)
    for table, column in (("predictions", "body"), ("outcomes", "outcome")):
        file.connection.execute(f"UPDATE {table} SET {column} = json_set({column}, '$.added', 7)")
    assert file.oldest(10) == [make_record(1)]
    assert file.held_outcomes(10) == {"a" * 24: HEARD}
    assert file.counts() == SpoolCounts(waiting=1, held_outcomes=1)
    file.close()


def test_what_cannot_be_read_becomes_a_dead_letter_and_holds_up_nothing(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    file = SpoolFile(tmp_path / "0.sqlite3")
    file.insert([make_record(1)])
    file.connection.execute("INSERT INTO predictions VALUES (?, ?, NULL)", ("0" * 24, '{"model": 1}'))
    file.count()
    assert file.oldest(10) == [make_record(1)]
    assert (file.waiting, file.counts()) == (1, SpoolCounts(waiting=1, dead_letters=1))
    file.close()


async def test_a_held_outcome_that_cannot_be_read_becomes_a_dead_letter_and_fails_nobody_elses_call(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    spool = Spool(tmp_path / "spool" / "0.sqlite3", max_records=10)
    await spool.hold_outcome("a" * 24, HEARD)
    await spool.hold_outcome("b" * 24, HEARD)
    await spool.append(make_record(1))
    for table, name in (("outcomes", "b" * 24), ("predictions", make_record(1).prediction_id)):
        change = f"UPDATE {table} SET outcome = '{{' WHERE prediction_id = '{name}'"
        await spool.run(lambda file, change=change: file.connection.execute(change) and None)  # type: ignore[misc]
    results = await asyncio.gather(  # one group
        spool.append(make_record(2)),
        spool.add_outcome("b" * 24, HEARD),
        spool.add_outcome(make_record(1).prediction_id, HEARD),
        due(spool),
        return_exceptions=True,
    )
    assert results[0] is None
    assert [type(result) for result in results[1:3]] == [OutcomeConflictError] * 2
    assert results[3] == {"a" * 24: HEARD}
    assert spool.held_outcomes == 1
    assert await oldest(spool) == [make_record(2)]
    await spool.close()
    assert count_spooled(tmp_path / "spool") == SpoolCounts(1, 1, dead_letters=1, dead_outcomes=1)


def test_a_transaction_that_fails_changes_nothing(tmp_path: Path, make_record: MakeRecord) -> None:
    file = SpoolFile(tmp_path / "0.sqlite3")
    with contextlib.suppress(RuntimeError), file.transaction():
        file.insert([make_record(1)])
        file.hold("a" * 24, HEARD)
        assert (file.waiting, file.held) == (1, 1)
        raise RuntimeError
    assert (file.waiting, file.held, file.counts()) == (0, 0, SpoolCounts())
    file.close()
