"""Processes that the server keeps running: their start, their replacement, their end."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from server import child_supervision
from server.child_supervision import Child
from server.errors import StartError
from server.settings import ServerSettings

# Says its process id in a file, then does as it is told by the test.
CHILD = """
import json, os, pathlib, signal, sys, time
order = json.loads(sys.stdin.readline())
with open({log!r}, "a") as log:
    print(os.getpid(), order["name"], order["number"], order["of"], file=log)
started = len(pathlib.Path({log!r}).read_text().splitlines())
def ready(): print('{{"ready": true}}', flush=True)
def wait(): sys.stdin.read()
{body}
"""


class Children:
    """Makes children whose program a test writes."""

    def __init__(self, folder: Path, settings: ServerSettings) -> None:  # noqa: D107
        self._log = folder / "started"
        self._module = folder / "scripted_child.py"
        self._settings = settings

    @asynccontextmanager
    async def running(self, body: str, **options: Any) -> AsyncIterator[Child]:
        self._module.write_text(CHILD.format(log=str(self._log), body=body))
        child = Child("delivery", self._module.stem, self._settings, **options)
        try:
            yield child
        finally:
            await child.stop(30.0)

    def started(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []

    async def until_started(self, times: int) -> None:
        async with asyncio.timeout(60):
            while len(self.started()) < times:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.fixture
def children(tmp_path: Path, settings: ServerSettings, monkeypatch: pytest.MonkeyPatch) -> Children:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(child_supervision, "_LONGEST_DELAY_S", 0.05)
    return Children(tmp_path, settings)


def runs(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


async def test_a_child_gets_its_order_and_ends_in_order(children: Children) -> None:
    ended: list[int] = []
    with capture_logs() as logs:
        async with children.running("ready(); wait()", number=1, of=3, ended=ended.append) as child:
            await child.ready
    (line,) = children.started()
    pid, *order = line.split()
    assert order == ["delivery", "1", "3"]
    assert ended == [int(pid)]
    assert not runs(int(pid))
    assert [line["event"] for line in logs] == ["delivery_ready"]


async def test_a_child_that_ends_is_replaced(children: Children) -> None:
    body = "ready()\nif started < 3: sys.exit(7)\nwait()"
    with capture_logs() as logs:
        async with children.running(body) as child:
            await child.ready
            await children.until_started(3)
    ends = [line for line in logs if line["event"] == "delivery_ended"]
    assert [line["exit_code"] for line in ends] == [7, 7]
    assert len(children.started()) == 3


async def test_a_child_that_is_killed_is_replaced(children: Children) -> None:
    async with children.running("ready()\nif started == 1: os.kill(os.getpid(), signal.SIGKILL)\nwait()"):
        await children.until_started(2)


async def test_what_a_child_cannot_do_at_the_start_fails_the_start(children: Children) -> None:
    async with children.running("""print('{"error": "no such thing"}', flush=True)""") as child:
        with pytest.raises(StartError, match="no such thing"):
            await child.ready
    assert len(children.started()) == 1


async def test_a_child_that_dies_at_the_start_fails_the_start(children: Children) -> None:
    async with children.running("sys.exit(3)") as child:
        with pytest.raises(StartError, match="a delivery process ended with exit code 3 before it was ready"):
            await child.ready


async def test_what_a_child_cannot_do_later_is_logged_and_tried_again(children: Children) -> None:
    body = """
if started == 2: print('{"error": "no such thing"}', flush=True); sys.exit(1)
ready()
if started == 1: sys.exit(7)
wait()"""
    with capture_logs() as logs:
        async with children.running(body) as child:
            await children.until_started(3)
            await child.ready
    failed = [line["reason"] for line in logs if line["event"] == "delivery_failed"]
    assert failed == ["no such thing"]


async def test_a_child_that_does_not_end_is_killed(children: Children) -> None:
    async with children.running(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); ready()\nwhile True: wait()"
    ) as child:
        await child.ready
        with capture_logs() as logs:
            await child.stop(0.1)
    assert [line["event"] for line in logs] == ["delivery_killed"]
    assert not runs(int(children.started()[0].split()[0]))


async def test_a_child_that_is_stopped_while_it_waits_to_be_started_again_is_not(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_supervision, "_FIRST_DELAY_S", 3600.0)
    monkeypatch.setattr(child_supervision, "_LONGEST_DELAY_S", 3600.0)
    with capture_logs() as logs:
        async with children.running("ready(); sys.exit(7)") as child:
            async with asyncio.timeout(60):
                while "delivery_ended" not in [line["event"] for line in logs]:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                await child.stop(3600.0)
    assert len(children.started()) == 1


@pytest.mark.parametrize("turns", [0, 1, 3, 10])
async def test_a_child_that_is_stopped_while_it_starts_leaves_no_process(
    children: Children, turns: int
) -> None:
    async with children.running("ready(); wait()") as child:
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await child.stop(3600.0)
    assert not [line for line in children.started() if runs(int(line.split()[0]))]


async def test_a_system_that_starts_no_process_fails_the_start(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    async with children.running("ready()") as child, asyncio.timeout(60):
        with pytest.raises(StartError, match="cannot start a delivery process: No such file or directory"):
            await child.ready


async def test_a_system_that_starts_no_process_for_a_while_is_asked_again(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refusals = asyncio.create_subprocess_exec, [1, 1]

    async def refuse(*command: str, **options: Any) -> asyncio.subprocess.Process:
        if children.started() and refusals:
            refusals.pop()
            raise OSError(12, "Cannot allocate memory")
        return await real(*command, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
    with capture_logs() as logs:
        async with children.running("ready()\nif started == 1: sys.exit(7)\nwait()"):
            await children.until_started(2)
    ends = [line["exit_code"] for line in logs if line["event"] == "delivery_ended"]
    assert ends == [7, "Cannot allocate memory", "Cannot allocate memory"]
