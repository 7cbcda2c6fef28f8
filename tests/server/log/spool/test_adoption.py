"""Workers with a spool file each, outcomes that come to the wrong one of them, and full disks."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from server.errors import OutcomeConflictError, SpoolFullError, StartError
from server.log.lock import lock_file
from server.log.record import Outcome, PredictionRecord
from server.log.spool import folder as spool_folder
from server.log.spool.adoption import move_all
from server.log.spool.file import SpoolFile
from server.log.spool.folder import count_spooled
from server.log.spool.rows import SpoolCounts
from server.log.spool.spool import Spool

MakeRecord = Callable[[int], PredictionRecord]
HEARD = Outcome(skipped=False, listened_ms=9000, recorded_at=datetime(2030, 1, 1, tzinfo=UTC))
SKIPPED = Outcome(skipped=True, listened_ms=1000, recorded_at=datetime(2030, 1, 1, tzinfo=UTC))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


async def oldest(spool: Spool, limit: int = 10) -> list[PredictionRecord]:
    return await spool.run(lambda file: file.oldest(limit))


async def remove(spool: Spool, records: list[PredictionRecord]) -> None:
    await spool.run(lambda file: file.remove(records))


def open_spool(folder: Path, worker: int, **changes: int) -> Spool:
    return Spool(folder / f"{worker}.sqlite3", **{"max_records": 100, **changes})


def write_broken_spool(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, but long enough to be looked at" * 50)


async def test_an_outcome_reaches_a_prediction_in_another_workers_spool(
    folder: Path, make_record: MakeRecord
) -> None:
    mine, other = open_spool(folder, 0), open_spool(folder, 1)
    await other.append(make_record(1))
    known = make_record(1).prediction_id
    assert await mine.add_outcome(known, HEARD)
    assert await other.add_outcome(known, HEARD)
    for spool in (mine, other):
        with pytest.raises(OutcomeConflictError):
            await spool.add_outcome(known, SKIPPED)
    assert not await mine.add_outcome("f" * 24, HEARD)
    (row,) = await oldest(other)
    assert row.outcome == HEARD
    assert (mine.depth, other.depth) == (0, 1)
    await mine.close()
    await other.close()


async def test_a_held_outcome_is_kept_once_for_all_workers(folder: Path) -> None:
    mine, other = open_spool(folder, 0), open_spool(folder, 1)
    await mine.hold_outcome("a" * 24, HEARD)
    await mine.hold_outcome("a" * 24, HEARD)
    assert mine.held_outcomes == 1
    assert await other.add_outcome("a" * 24, HEARD)
    with pytest.raises(OutcomeConflictError):
        await other.add_outcome("a" * 24, SKIPPED)
    await mine.close()
    await other.close()
    reopened = open_spool(folder, 0)
    assert await reopened.run(lambda file: file.held_outcomes(10)) == {"a" * 24: HEARD}
    await reopened.run(lambda file: file.postpone_outcomes(["a" * 24], 60))
    assert await reopened.run(lambda file: file.held_outcomes(10)) == {}
    await reopened.close()


async def test_what_an_ended_worker_left_is_adopted(folder: Path, make_record: MakeRecord) -> None:
    living = open_spool(folder, 1)
    await living.append(make_record(3))
    ended = open_spool(folder, 7)
    await ended.append(make_record(1))
    await ended.append(make_record(2))
    await ended.add_outcome(make_record(2).prediction_id, HEARD)
    await ended.hold_outcome("a" * 24, SKIPPED)
    await ended.close()

    adopter = open_spool(folder, 0)
    assert [row.outcome for row in await oldest(adopter)] == [None, HEARD]
    assert await adopter.run(lambda file: file.held_outcomes(10)) == {"a" * 24: SKIPPED}
    assert (adopter.depth, adopter.held_outcomes, living.depth) == (2, 1, 1)
    await adopter.close()
    await living.close()
    assert count_spooled(folder) == SpoolCounts(waiting=3, held_outcomes=1)


async def test_an_adoption_that_was_cut_off_repeats_nothing(folder: Path, make_record: MakeRecord) -> None:
    first, second = SpoolFile(folder / "0.sqlite3"), SpoolFile(folder / "1.sqlite3")
    record = make_record(1)
    first.insert([record])  # as after a crash between the two commits: it is in both
    second.insert([record])
    second.join(record.prediction_id, HEARD)
    move_all(second, first)
    (taken,) = first.oldest(10)
    assert taken.outcome == HEARD
    assert (first.counts().waiting, second.counts().waiting) == (1, 0)
    first.close()
    second.close()


@pytest.mark.parametrize("held_here", [False, True])
async def test_an_adoption_that_meets_another_outcome_keeps_the_one_that_is_here_and_says_so(
    folder: Path, make_record: MakeRecord, held_here: bool
) -> None:
    here, there = SpoolFile(folder / "0.sqlite3"), SpoolFile(folder / "1.sqlite3")
    known = make_record(1).prediction_id
    if held_here:
        here.hold(known, HEARD)
        there.hold(known, SKIPPED)
    else:
        for file, outcome in ((here, HEARD), (there, SKIPPED)):
            file.insert([make_record(1)])
            file.join(known, outcome)
    move_all(there, here)
    with pytest.raises(OutcomeConflictError):
        here.join(known, SKIPPED)
    assert here.join(known, HEARD)
    assert here.counts() == SpoolCounts(not held_here, held_here, dead_letters=0, dead_outcomes=1)
    assert there.counts() == SpoolCounts()
    here.close()
    there.close()


async def test_an_outcome_finds_a_prediction_that_moves_while_it_is_looked_for(
    folder: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had looked at the adopter before the row came there, and at the old file after the row had left."""
    adopter, ended = SpoolFile(folder / "0.sqlite3"), SpoolFile(folder / "2.sqlite3")
    known = make_record(1).prediction_id
    ended.insert([make_record(1)])
    living = [lock_file(folder / f"{worker}.lock") for worker in (0, 2)]
    spool = open_spool(folder, 1)
    for lock in living:
        lock.close()
    has = SpoolFile.has

    def has_and_then_it_moves(file: SpoolFile, prediction_id: str) -> bool:
        found = has(file, prediction_id)
        move_all(ended, adopter)
        return found

    monkeypatch.setattr(SpoolFile, "has", has_and_then_it_moves)
    assert await spool.add_outcome(known, HEARD)
    (row,) = adopter.oldest(10)
    assert row.outcome == HEARD
    adopter.close()
    ended.close()
    await spool.close()


async def test_a_broken_file_of_an_ended_worker_keeps_nobody_from_starting(
    folder: Path, make_record: MakeRecord
) -> None:
    write_broken_spool(folder / "1.sqlite3")
    with capture_logs() as logs:
        spool = open_spool(folder, 0)
        await spool.append(make_record(1))
        for _ in range(2):
            assert not await spool.add_outcome("f" * 24, HEARD)
    assert [line["event"] for line in logs] == ["spool_not_adopted", "spool_not_readable"]
    assert spool.depth == 1
    await spool.close()


def test_two_processes_never_own_one_file(folder: Path) -> None:
    owned = SpoolFile(folder / "0.sqlite3", own=True)
    with pytest.raises(StartError, match="in use"):
        SpoolFile(folder / "0.sqlite3", own=True)
    owned.close()
    SpoolFile(folder / "0.sqlite3", own=True).close()


async def test_a_nearly_full_disk_refuses_predictions_and_still_delivers(
    folder: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = [1000 << 20]
    monkeypatch.setattr("server.log.spool.committer.free_bytes", lambda path: room[0])
    spool = open_spool(folder, 0, min_free_bytes=100 << 20)
    await spool.append(make_record(1))
    room[0] = (100 << 20) - 1
    with pytest.raises(SpoolFullError, match="is full"):
        await spool.append(make_record(2))
    with pytest.raises(SpoolFullError):
        await spool.add_outcome(make_record(1).prediction_id, HEARD)
    rows = await oldest(spool)
    await remove(spool, rows)
    assert (len(rows), spool.depth) == (1, 0)
    room[0] = 1000 << 20
    await spool.append(make_record(2))
    assert spool.depth == 1
    await spool.close()


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

    spool = Spool(small_disk / "0.sqlite3", max_records=1_000_000, min_free_bytes=8 << 20)
    with contextlib.suppress(SpoolFullError):
        for number in range(100_000):
            await spool.append(large(number))
    answered = spool.depth
    assert 100 < answered < 100_000
    delivered = 0
    while rows := await oldest(spool, 100):
        await remove(spool, rows)
        delivered += len(rows)
    assert delivered == answered
    # What left has made the file no smaller, but its room is used again, although the disk is as full as
    # before.
    spool._committer._compact_next = 0.0  # as if a second had passed
    for number in range(answered // 4):
        await spool.append(large(number))
    assert spool.depth == answered // 4
    await spool.close()


async def test_the_write_ahead_log_never_fills_the_disk_when_it_is_copied_into_the_file(
    small_disk: Path, make_record: MakeRecord
) -> None:
    """What is in the log needs its room a second time: a disk without it could never be emptied again."""
    spool = Spool(small_disk / "0.sqlite3", max_records=1_000_000, min_free_bytes=1 << 20)
    large = replace(make_record(0), favourite_genres=("x" * 200,) * 100)
    refused = number = 0
    while refused < 10:
        number += 1
        try:
            await spool.append(replace(large, prediction_id=f"{number:024x}"))
        except SpoolFullError:
            refused += 1
    assert spool_folder.free_bytes(small_disk / "0.sqlite3") > 1 << 19
    while rows := await oldest(spool, 100):
        await remove(spool, rows)
    assert spool.depth == 0
    await spool.close()
