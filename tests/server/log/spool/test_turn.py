"""A process that stops while it has the spool's lock."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from server.log.record import PredictionRecord
from server.log.spool.file import FILE_NAME, SpoolFile
from server.log.spool.spool import Spool
from server.log.spool.turn import DELIVERY_LOCK_NAME, Turn, delivery_pid

_HOLDER = """
import os, sys
from pathlib import Path
from server.log.lock import lock_file
from server.log.spool.file import SpoolFile
spool, lock, expendable = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "expendable"
held = lock_file(lock)
held.truncate(0)
held.write(str(os.getpid()).encode())
held.flush()
with SpoolFile(spool, expendable=expendable).transaction():
    print("within", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Callable[[str], "subprocess.Popen[bytes]"]:
    """Starts a process that is the delivery of a folder and stays within a transaction, stopped."""

    def start(kind: str) -> "subprocess.Popen[bytes]":
        paths = str(tmp_path / FILE_NAME), str(tmp_path / DELIVERY_LOCK_NAME)
        command = [sys.executable, "-c", _HOLDER, *paths, kind]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"within\n"
        process.send_signal(signal.SIGSTOP)
        return process

    return start


async def test_a_delivery_that_stops_while_it_writes_is_ended(
    tmp_path: Path,
    holder: Callable[[str], "subprocess.Popen[bytes]"],
    make_record: Callable[[int], PredictionRecord],
) -> None:
    SpoolFile(tmp_path / FILE_NAME).close()
    spool = Spool(tmp_path, max_records=10)
    stopped = holder("expendable")
    await asyncio.wait_for(spool.append(make_record(1)), 60)
    await asyncio.to_thread(stopped.communicate)
    assert stopped.returncode == -signal.SIGKILL
    await spool.close()
    assert delivery_pid(tmp_path / DELIVERY_LOCK_NAME) is None


async def test_no_other_process_is_ended(
    tmp_path: Path,
    holder: Callable[[str], "subprocess.Popen[bytes]"],
    make_record: Callable[[int], PredictionRecord],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.log.spool.turn._STALLED_AFTER_S", 0.05)
    SpoolFile(tmp_path / FILE_NAME).close()
    spool = Spool(tmp_path, max_records=10)
    stopped = holder("a worker")
    appended = asyncio.ensure_future(spool.append(make_record(1)))
    _, waiting = await asyncio.wait([appended], timeout=1.0)
    assert waiting
    assert stopped.poll() is None
    stopped.send_signal(signal.SIGCONT)
    await asyncio.to_thread(stopped.communicate, b"")
    assert stopped.returncode == 0
    await asyncio.wait_for(appended, 60)
    await spool.close()


def test_a_pid_that_an_ended_delivery_has_left_is_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.log.spool.turn._STALLED_AFTER_S", 0.05)
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        (tmp_path / DELIVERY_LOCK_NAME).write_text(str(bystander.pid))  # and nobody holds it
        (tmp_path / "queue").write_text(str(bystander.pid))
        first, second = (Turn(tmp_path / "queue", expendable=False) for _ in range(2))
        first.take()
        waits = threading.Thread(target=second.take)
        waits.start()
        time.sleep(0.3)
        first.give_back()
        waits.join(60)
        assert bystander.poll() is None
        second.close()
        first.close()
    finally:
        bystander.kill()
        bystander.communicate()


def test_a_delivery_whose_disk_is_full_keeps_nobody_else_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")

    delivery, server = Turn(tmp_path / "queue", expendable=True), Turn(tmp_path / "queue", expendable=False)
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="no space left"):
        delivery.take()
    taken = threading.Thread(target=server.take, daemon=True)
    taken.start()
    taken.join(60)
    assert not taken.is_alive()
    server.give_back()
    server.close()
    delivery.close()


_ELSEWHERE = """
import fcntl, os, sys
lock, queue = (open(path, "a+b") for path in sys.argv[1:3])
for file in (lock, queue):
    fcntl.flock(file, fcntl.LOCK_EX)
print("within", flush=True)
sys.stdin.read()
"""


def test_a_delivery_of_another_container_is_not_taken_for_the_process_of_its_pid_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.log.spool.turn._STALLED_AFTER_S", 0.05)
    paths = [tmp_path / DELIVERY_LOCK_NAME, tmp_path / "queue"]
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    command = [sys.executable, "-c", _ELSEWHERE, *map(str, paths)]
    elsewhere = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert elsewhere.stdout is not None
        assert elsewhere.stdout.readline() == b"within\n"
        for path in paths:  # the pid that it has in its own container
            path.write_text(str(bystander.pid))
        turn = Turn(paths[1], expendable=False)
        waits = threading.Thread(target=turn.take)
        waits.start()
        time.sleep(0.3)
        assert bystander.poll() is None
        elsewhere.communicate()
        waits.join(60)
        assert not waits.is_alive()
        turn.give_back()
        turn.close()
    finally:
        for process in (bystander, elsewhere):
            process.kill()
            process.communicate()
