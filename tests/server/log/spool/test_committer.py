import asyncio
import contextlib
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from server.errors import SpoolFullError, StorageUnavailableError
from server.log.record import Outcome, PredictionRecord
from server.log.spool.file import FILE_NAME, SpoolFile
from server.log.spool.spool import Spool
from tests.server.log.spool.contents import HEARD, deliver, opened, outcomes_in, predictions_in

MakeRecord = Callable[[int], PredictionRecord]
A = "a" * 24


def set_room(monkeypatch: pytest.MonkeyPatch, room_bytes: int) -> None:
    monkeypatch.setattr(SpoolFile, "room_bytes", lambda file: room_bytes)


async def test_callers_that_wait_together_share_commits(folder: Path, make_record: MakeRecord) -> None:
    spool = Spool(folder, max_records=1000)
    statements: list[str] = []
    spool._committer._file.connection.set_trace_callback(statements.append)
    calls = [spool.append(make_record(n)) for n in range(200)]
    await asyncio.gather(*calls, *(spool.append_outcome(A, HEARD) for _ in range(200)))
    assert statements.count("COMMIT") < 100
    await spool.close()
    assert predictions_in(folder) == [make_record(n) for n in range(200)]
    assert outcomes_in(folder) == [(A, HEARD)] * 200


async def test_a_cancelled_caller_does_not_disturb_its_group(folder: Path, make_record: MakeRecord) -> None:
    spool = Spool(folder, max_records=10)
    impatient = asyncio.ensure_future(spool.append(make_record(1)))
    gone = asyncio.ensure_future(spool.append_outcome(A, HEARD))
    patient = asyncio.ensure_future(spool.append(make_record(2)))
    await asyncio.sleep(0)
    impatient.cancel()
    gone.cancel()
    assert await patient == make_record(2)
    await spool.close()
    assert make_record(2) in predictions_in(folder)


async def test_a_closed_spool_refuses_instead_of_hanging(folder: Path, make_record: MakeRecord) -> None:
    spool = Spool(folder, max_records=10)
    await spool.close()
    with pytest.raises(StorageUnavailableError):
        await spool.append(make_record(1))
    with pytest.raises(StorageUnavailableError):
        await spool.append_outcome(A, HEARD)


async def test_what_waits_is_written_before_the_spool_closes(folder: Path, make_record: MakeRecord) -> None:
    spool = Spool(folder, max_records=1000)
    calls = [asyncio.ensure_future(spool.append(make_record(n))) for n in range(100)]
    await asyncio.sleep(0)
    await spool.close()
    assert await asyncio.gather(*calls) == [make_record(n) for n in range(100)]
    assert len(predictions_in(folder)) == 100


async def test_a_disk_error_refuses_the_whole_group_and_the_next_one_is_taken(
    folder: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of such a group is on disk, so that nobody in it may be told otherwise."""
    spool = Spool(folder, max_records=10)

    def fail(file: SpoolFile, outcomes: Iterable[tuple[str, Outcome]]) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(SpoolFile, "insert_outcomes", fail)
        results = await asyncio.gather(
            spool.append(make_record(1)),
            spool.append(make_record(2), retried=True),
            spool.append_outcome(A, HEARD),
            return_exceptions=True,
        )
    assert [type(result) for result in results] == [SpoolFullError] * 3
    assert "cannot be written" in str(results[0])
    assert ("spool_not_written", "disk I/O error") in [(line["event"], line.get("reason")) for line in logs]
    assert predictions_in(folder) == []
    assert await spool.append(make_record(1)) == make_record(1)
    await spool.close()
    assert predictions_in(folder) == [make_record(1)]


async def test_a_full_disk_refuses_and_keeps_what_was_answered(folder: Path, make_record: MakeRecord) -> None:
    spool = Spool(folder, max_records=100_000)
    connection = spool._committer._file.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 8}")  # SQLite reports that as a full disk
    answered = []
    with contextlib.suppress(SpoolFullError):
        for number in range(1000):
            answered.append(await spool.append(make_record(number)))
    assert 0 < len(answered) < 1000
    with pytest.raises(SpoolFullError):
        await spool.append(make_record(1000))
    await spool.close()
    assert predictions_in(folder) == answered


async def test_a_nearly_full_disk_refuses_predictions_and_takes_outcomes_longer(
    folder: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(folder, max_records=10, min_free_bytes=100 << 20)
    set_room(monkeypatch, 100 << 20)
    await spool.append(make_record(1))
    with capture_logs() as logs:
        for room_bytes in ((100 << 20) - 1, 25 << 20):
            set_room(monkeypatch, room_bytes)
            refused, taken = await asyncio.gather(  # one group
                spool.append(make_record(2)), spool.append_outcome(A, HEARD), return_exceptions=True
            )
            assert isinstance(refused, SpoolFullError)
            assert "is full" in str(refused)
            assert taken is None
        set_room(monkeypatch, (25 << 20) - 1)
        with pytest.raises(SpoolFullError, match="is full"):
            await spool.append_outcome(A, HEARD)
        assert deliver(folder) == 1
        set_room(monkeypatch, 100 << 20)
        await spool.append(make_record(3))
    assert [line["event"] for line in logs] == ["spool_refuses", "spool_accepts"]
    await spool.close()
    assert predictions_in(folder) == [make_record(3)]
    assert outcomes_in(folder) == [(A, HEARD)] * 2


async def test_a_disk_that_cannot_be_asked_refuses_and_recovers(
    folder: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error there once ended the thread: every later call waited for ever."""

    def fail(file: SpoolFile) -> int:
        raise OSError("the disk is away")

    spool = Spool(folder, max_records=10)
    await spool.append(make_record(1))
    with capture_logs() as logs:
        with monkeypatch.context() as patch:
            patch.setattr(SpoolFile, "room_bytes", fail)
            for number in (2, 3):
                with pytest.raises(SpoolFullError, match="cannot be written"):
                    await spool.append(make_record(number))
            with pytest.raises(SpoolFullError, match="cannot be written"):
                await spool.append_outcome(A, HEARD)
            assert deliver(folder) == 1  # goes on
        await spool.append(make_record(2))
    assert [(line["event"], line.get("reason")) for line in logs] == [
        ("spool_refuses", "the disk is away"),
        ("spool_accepts", None),
    ]
    await spool.close()


async def test_rows_that_are_being_committed_count_towards_the_limit(
    folder: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(folder, max_records=2)
    taken = threading.Event()
    release = threading.Event()
    insert = SpoolFile.insert

    def slow_insert(
        file: SpoolFile, records: Sequence[PredictionRecord], retried: Collection[str] = ()
    ) -> None:
        taken.set()
        release.wait(30)
        insert(file, records, retried)

    with monkeypatch.context() as patch:
        patch.setattr(SpoolFile, "insert", slow_insert)
        pair = [asyncio.create_task(spool.append(make_record(n))) for n in range(2)]
        await asyncio.to_thread(taken.wait, 30)
        try:
            with pytest.raises(SpoolFullError):
                await spool.append(make_record(2))
        finally:
            release.set()
        await asyncio.gather(*pair)
    with pytest.raises(SpoolFullError):
        await spool.append(make_record(2))
    await spool.close()
    assert predictions_in(folder) == [make_record(0), make_record(1)]


@pytest.mark.parametrize("whole_folder", [True, False])
async def test_a_file_that_was_deleted_is_noticed_by_every_worker(
    folder: Path, make_record: MakeRecord, whole_folder: bool
) -> None:
    workers = Spool(folder, max_records=10), Spool(folder, max_records=10)
    await workers[0].append(make_record(1))
    shutil.rmtree(folder) if whole_folder else (folder / FILE_NAME).unlink()
    with capture_logs() as logs:
        await workers[0].append(make_record(2))
        await workers[1].append(make_record(3))
        await workers[1].append_outcome(A, HEARD)
    assert [line["event"] for line in logs] == ["spool_deleted"] * 2
    assert predictions_in(folder) == [make_record(2), make_record(3)]
    assert outcomes_in(folder) == [(A, HEARD)]
    for worker in workers:
        await worker.close()


async def test_what_was_committed_to_a_deleted_file_is_committed_again(
    folder: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(folder, max_records=10)
    insert = SpoolFile.insert
    deleted: list[Path] = []

    def insert_and_delete(
        file: SpoolFile, records: Sequence[PredictionRecord], retried: Collection[str] = ()
    ) -> None:
        insert(file, records, retried)
        if not deleted:
            deleted.append(file.path)
            shutil.rmtree(folder)

    monkeypatch.setattr(SpoolFile, "insert", insert_and_delete)
    results = await asyncio.gather(
        spool.append(make_record(1)),
        spool.append(make_record(2), retried=True),
        spool.append_outcome(A, HEARD),
    )
    assert list(results) == [make_record(1), make_record(2), None]
    assert deleted
    await spool.close()
    assert predictions_in(folder) == [make_record(1), make_record(2)]
    assert outcomes_in(folder) == [(A, HEARD)]


async def test_a_file_that_cannot_be_opened_anew_refuses_until_it_can(
    folder: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(folder, max_records=10)
    await spool.append(make_record(1))
    shutil.rmtree(folder)

    def fail(path: Path, *, create: bool) -> sqlite3.Connection:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as full:
        full.setattr("server.log.spool.file._connect", fail)
        with pytest.raises(SpoolFullError, match="cannot be written"):
            await spool.append(make_record(2))
    await spool.append(make_record(3))
    await spool.close()
    assert predictions_in(folder) == [make_record(3)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MiB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(mount)]
    try:
        done = subprocess.run(command, check=False, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if sys.platform != "linux" or done.returncode:
        pytest.skip("a small disk can only be made by root on Linux")
    yield mount
    subprocess.run(["umount", "--lazy", str(mount)], check=True)


async def test_a_disk_that_fills_up_refuses_loses_nothing_and_recovers(
    small_disk: Path, make_record: MakeRecord
) -> None:
    def large(number: int) -> PredictionRecord:
        return replace(make_record(number), favourite_genres=("x" * 200,) * 100)

    spool = Spool(small_disk, max_records=1_000_000, min_free_bytes=8 << 20)
    answered = 0
    with contextlib.suppress(SpoolFullError):
        for number in range(100_000):
            await spool.append(large(number))
            answered += 1
    assert 100 < answered < 100_000
    assert sum(iter(lambda: deliver(small_disk, 100), 0)) == answered
    # What left has made the file no smaller, but its room is used again, although the disk is as full as
    # before.
    spool._committer._compact_next = 0.0  # as if a second had passed
    for number in range(answered, answered + answered // 4):
        await spool.append(large(number))
    await spool.close()
    assert len(predictions_in(small_disk)) == answered // 4


async def test_the_write_ahead_log_never_fills_the_disk_when_it_is_copied_into_the_file(
    small_disk: Path, make_record: MakeRecord
) -> None:
    """What is in the log needs its room a second time: a disk without it could never be emptied again."""
    spool = Spool(small_disk, max_records=1_000_000, min_free_bytes=1 << 20)
    large = replace(make_record(0), favourite_genres=("x" * 200,) * 100)
    refused = number = 0
    while refused < 10:
        number += 1
        try:
            await spool.append(replace(large, prediction_id=f"{number:024x}"))
        except SpoolFullError:
            refused += 1
    with opened(small_disk) as file:
        assert file.room_bytes() > 1 << 19
    assert sum(iter(lambda: deliver(small_disk, 100), 0)) == number - refused
    await spool.close()
