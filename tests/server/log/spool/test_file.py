import contextlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from server.errors import StartError
from server.log.record import PredictionRecord
from server.log.spool.file import FILE_NAME, SpoolFile
from tests.server.log.spool.contents import HEARD, opened, predictions_in, write_broken_file

MakeRecord = Callable[[int], PredictionRecord]


def test_a_transaction_that_fails_changes_nothing(file: SpoolFile, make_record: MakeRecord) -> None:
    with contextlib.suppress(RuntimeError), file.transaction():
        file.insert([make_record(1)])
        file.insert_outcomes([("a" * 24, HEARD)])
        assert (file.waiting(), file.waiting_outcomes()) == (1, 1)
        raise RuntimeError
    assert (file.waiting(), file.waiting_outcomes()) == (0, 0)
    with file.transaction():  # and leaves the file to the next one
        file.insert([make_record(2)])
    assert file.waiting() == 1


def test_a_transaction_is_seen_by_others_once_it_is_whole(
    folder: Path, file: SpoolFile, make_record: MakeRecord
) -> None:
    with opened(folder) as other:
        with file.transaction():
            file.insert([make_record(1)])
            assert other.waiting() == 0
        assert other.waiting() == 1


@pytest.mark.parametrize("create", [True, False])
def test_a_file_that_is_no_spool_is_one_clear_error(folder: Path, create: bool) -> None:
    write_broken_file(folder)
    with pytest.raises(StartError, match="cannot open the spool"):
        SpoolFile(folder / FILE_NAME, create=create)


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(StartError, match="cannot open the spool"):
        SpoolFile(tmp_path / "taken" / FILE_NAME)


def test_who_only_looks_makes_no_file(folder: Path) -> None:
    with pytest.raises(StartError, match="cannot open the spool"):
        SpoolFile(folder / FILE_NAME, create=False)
    assert not (folder / FILE_NAME).exists()


@pytest.mark.parametrize("whole_folder", [True, False])
def test_a_deleted_file_is_noticed_and_opened_anew(
    folder: Path, file: SpoolFile, make_record: MakeRecord, whole_folder: bool
) -> None:
    with file.transaction():
        file.insert([make_record(1)])
    assert file.is_in_place()
    shutil.rmtree(folder) if whole_folder else (folder / FILE_NAME).unlink()
    assert not file.is_in_place()
    file.reopen()
    assert file.is_in_place()
    with file.transaction():
        file.insert([make_record(2)])
    assert predictions_in(folder) == [make_record(2)]


def test_a_file_that_was_replaced_is_noticed(folder: Path, file: SpoolFile, make_record: MakeRecord) -> None:
    shutil.rmtree(folder)
    with opened(folder) as other:
        with other.transaction():
            other.insert([make_record(1)])
        assert not file.is_in_place()
        file.reopen()
    assert file.is_in_place()
    assert file.waiting() == 1


def test_a_file_that_cannot_be_opened_anew_leaves_the_former_one_open(
    folder: Path, file: SpoolFile, make_record: MakeRecord
) -> None:
    """Its rows can still be read."""
    with file.transaction():
        file.insert([make_record(1)])
    shutil.rmtree(folder)
    write_broken_file(folder)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        file.reopen()
    assert file.waiting() == 1


def test_room_that_the_write_ahead_log_needs_a_second_time_is_no_room(
    file: SpoolFile, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Disk:
        f_bavail = 1000
        f_frsize = 4096

    with file.transaction():
        file.insert([make_record(n) for n in range(100)])
    monkeypatch.setattr("server.log.spool.file.os.statvfs", lambda path: Disk)
    log = file.path.with_name(f"{FILE_NAME}-wal")
    assert log.stat().st_size > 0
    assert file.room_bytes() == 4_096_000 - log.stat().st_size
    file.compact()
    assert log.stat().st_size == 0
    assert file.room_bytes() == 4_096_000


def test_what_left_makes_room_in_the_file(file: SpoolFile, make_record: MakeRecord) -> None:
    with file.transaction():
        file.insert([make_record(n) for n in range(1000)])
    before = file.spare_bytes()
    with file.transaction():
        file.advance(file.next_predictions(1000))
    assert file.spare_bytes() > before + 100_000


_WRITER = """
import sys
from pathlib import Path
from server.log.spool.file import SpoolFile
from tests.server.log.spool.contents import HEARD

writer = int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
file = SpoolFile(Path(sys.argv[1]))
for n in range(100):
    with file.transaction():
        file.insert_outcomes((f"{writer:012x}{n:011x}{k:x}", HEARD) for k in range(3))
"""


def test_processes_that_make_and_write_one_file_at_once_lose_and_double_nothing(folder: Path) -> None:
    command = [sys.executable, "-c", _WRITER, str(folder / FILE_NAME)]
    writers = [
        subprocess.Popen([*command, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(4)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("\n")
            writer.stdin.flush()
        for writer in writers:
            writer.wait(timeout=120)
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    assert [writer.returncode for writer in writers] == [0] * 4
    expected = {f"{writer:012x}{n:011x}{k:x}" for writer in range(4) for n in range(100) for k in range(3)}
    with opened(folder) as file:
        found = [name for (name,) in file.connection.execute("SELECT prediction_id FROM outcomes")]
    assert len(found) == len(expected)
    assert set(found) == expected


_OTHER_PROCESS = """
import sys
from pathlib import Path
from server.log.spool.file import SpoolFile
from tests.server.log.spool.contents import HEARD

file = SpoolFile(Path(sys.argv[1]))
with file.transaction():
    file.insert_outcomes([("b" * 24, HEARD)])
"""


def test_another_process_makes_the_file_anew_while_this_one_has_the_deleted_one_open(
    folder: Path, file: SpoolFile
) -> None:
    """SQLite keeps two more files beside it, and takes the deleted file's for the new one's."""
    with file.transaction():
        file.insert_outcomes([("a" * 24, HEARD)])
    (folder / FILE_NAME).unlink()
    subprocess.run([sys.executable, "-c", _OTHER_PROCESS, str(folder / FILE_NAME)], check=True, timeout=60)
    assert [row.prediction_id for row in file.due_outcomes(10)] == ["a" * 24]
    file.reopen()
    assert [row.prediction_id for row in file.due_outcomes(10)] == ["b" * 24]


def test_a_file_whose_maker_was_killed_is_completed(folder: Path, make_record: MakeRecord) -> None:
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    with opened(folder) as file, file.transaction():
        file.insert([make_record(1)])
    assert predictions_in(folder) == [make_record(1)]


_KILLED = """
import os, signal, sys
from pathlib import Path
from server.log.spool.file import SpoolFile
from tests.server.log.spool.contents import HEARD

file = SpoolFile(Path(sys.argv[1]))
with file.transaction():
    file.insert_outcomes([("a" * 24, HEARD)])
with file.transaction():
    file.insert_outcomes([("b" * 24, HEARD)])
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_is_killed_while_it_writes_leaves_what_it_committed_and_keeps_nobody_waiting(
    folder: Path, file: SpoolFile
) -> None:
    command = [sys.executable, "-c", _KILLED, str(folder / FILE_NAME)]
    assert subprocess.run(command, check=False, timeout=60).returncode == -9
    with file.transaction():
        file.insert_outcomes([("c" * 24, HEARD)])
    assert [row.prediction_id for row in file.due_outcomes(10)] == ["a" * 24, "c" * 24]
