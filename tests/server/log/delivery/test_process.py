"""The delivery process, alone: the real one over a spool file and the real embedded database."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from pydantic import SecretStr
from pymongo import MongoClient
from structlog.testing import capture_logs

from server.errors import StartError
from server.log.delivery import process as process_module
from server.log.delivery.process import delivering
from server.log.lock import lock_file
from server.log.mongo.embedded.database import embedded_mongodb, find_program
from server.log.record import Outcome, PredictionRecord
from server.log.spool.file import FILE_NAME, SpoolFile
from server.log.spool.status import read_status
from server.log.spool.turn import DELIVERY_LOCK_NAME
from server.settings import ServerSettings, to_json
from server.stop_budget import StopBudget

MakeRecord = Callable[[int], PredictionRecord]
MARK = "m-a-r-k"
HEARD = Outcome(skipped=False, listened_ms=9000, recorded_at=datetime(2030, 1, 1, tzinfo=UTC))


@pytest.fixture
def delivered(settings: ServerSettings, mongodb_uri: str) -> ServerSettings:
    """Settings whose spool goes to a database of its own."""
    return settings.model_copy(update={"mongodb_uri": SecretStr(mongodb_uri)})


@contextmanager
def delivery_process(settings: ServerSettings) -> Iterator["subprocess.Popen[str]"]:
    """Runs a delivery process as the server does, once it has reported to be ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "server.log.delivery.process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        order = {"settings": to_json(settings), "name": "delivery", "number": 0, "of": 1}
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"ready": True}
        yield process
    finally:
        process.kill()
        process.communicate()


def end(process: "subprocess.Popen[str]") -> list[dict[str, Any]]:
    """Ends a process in order; returns what it has logged."""
    process.terminate()
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "")
    return [json.loads(line) for line in errors.splitlines()]


@contextmanager
def spool_of(settings: ServerSettings) -> Iterator[SpoolFile]:
    file = SpoolFile(settings.spool_directory / FILE_NAME)
    yield file
    file.close()


def append(
    settings: ServerSettings, *records: PredictionRecord, outcomes: tuple[tuple[str, Outcome], ...] = ()
) -> None:
    with spool_of(settings) as file, file.transaction():
        file.insert(records)
        file.insert_outcomes(outcomes)


def documents(settings: ServerSettings) -> dict[str, dict[str, Any]]:
    assert settings.external_mongodb_uri is not None
    with MongoClient[dict[str, Any]](settings.external_mongodb_uri, tz_aware=True) as client:
        return {it["_id"]: it for it in client.get_default_database()["predictions"].find()}


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_comes_is_delivered_and_what_is_left_at_the_end_too(
    delivered: ServerSettings, make_record: MakeRecord
) -> None:
    first, second = make_record(1), make_record(2)
    append(delivered, first)
    with delivery_process(delivered) as process:
        eventually(lambda: first.prediction_id in documents(delivered))
        assert read_status(delivered.spool_directory).delivering
        assert not read_status(delivered.spool_directory.parent).delivering
        append(delivered, second, outcomes=((first.prediction_id, HEARD),))
        assert [line["event"] for line in end(process)] == ["stopping", "stopped"]
    found = documents(delivered)
    assert found.keys() == {first.prediction_id, second.prediction_id}
    assert found[first.prediction_id]["outcome"] == {
        "skipped": False,
        "listened_ms": 9000,
        "recorded_at": HEARD.recorded_at,
    }
    status = read_status(delivered.spool_directory)
    assert (status.waiting, status.waiting_outcomes, status.delivering) == (0, 0, False)


def test_a_killed_delivery_leaves_everything_to_the_next_one(
    delivered: ServerSettings, make_record: MakeRecord
) -> None:
    records = [make_record(n) for n in range(1_200)]
    append(delivered, *records, outcomes=tuple((record.prediction_id, HEARD) for record in records[::2]))
    with delivery_process(delivered) as process:
        eventually(lambda: bool(documents(delivered)))
        process.kill()
        process.communicate()
    with delivery_process(delivered) as process:
        eventually(lambda: read_status(delivered.spool_directory).waiting == 0)
        eventually(lambda: read_status(delivered.spool_directory).waiting_outcomes == 0)
        end(process)
    found = documents(delivered)
    assert found.keys() == {record.prediction_id for record in records}
    heard = {key for key, document in found.items() if document["outcome"] is not None}
    assert heard == {record.prediction_id for record in records[::2]}
    assert read_status(delivered.spool_directory).dead == {}


def test_it_ends_with_its_parent(delivered: ServerSettings) -> None:
    with delivery_process(delivered) as process:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None  # else `communicate` would flush it
        assert process.wait(timeout=60) == 0


def marked(prediction_id: str) -> PredictionRecord:
    """A record with the mark in every text that a caller or an operator may choose."""
    return PredictionRecord(
        prediction_id=prediction_id,
        experiment=MARK,
        phase=MARK,
        arm=MARK,
        model=MARK,
        version=MARK,
        arm_probability=0.5,
        listener_id=MARK,
        track_id=MARK,
        favourite_genres=(MARK, MARK),
        play_through_probability=0.25,
        skipped=True,
        requested_at=datetime(2030, 1, 1, 12, tzinfo=UTC),
        latency_us=30,
        digest=MARK,
    )


def test_no_line_of_the_log_quotes_what_was_logged(delivered: ServerSettings) -> None:
    """Whatever becomes of it: ids and reasons only."""
    ids = {
        name: f"{number:024x}"
        for number, name in enumerate(
            ("stored", "impossible", "of_wrong_type", "unreadable", "refused", "conflict", "empty")
        )
    }
    with MongoClient[dict[str, Any]](str(delivered.external_mongodb_uri)) as client:
        collection = client.get_default_database()["predictions"]
        # Somebody's own rule: the listener may not come twice, and the driver's error quotes the listener.
        collection.create_index("listener_id", unique=True)
    with spool_of(delivered) as file, file.transaction():
        file.insert([marked(prediction_id) for prediction_id in ids.values()])
        for name, change in {
            "impossible": "json_set(body, '$.arm_probability', 0)",
            "of_wrong_type": f"json_set(body, '$.latency_us', '{MARK}')",
            "unreadable": f"'{MARK}' || body",
            "empty": "json_set(body, '$.arm', '')",
        }.items():
            file.connection.execute(
                f"UPDATE predictions SET body = {change} WHERE prediction_id = ?", (ids[name],)
            )
        skipped = replace(HEARD, skipped=True)
        file.insert_outcomes([(ids["stored"], HEARD), (ids["stored"], skipped), ("f" * 24, HEARD)])
        file.connection.execute(f"INSERT INTO outcomes (prediction_id, body) VALUES ('{'e' * 24}', '{MARK}')")
    with delivery_process(delivered) as process:
        eventually(lambda: sum(read_status(delivered.spool_directory).dead.values()) == 8)
        lines = end(process)
    assert documents(delivered).keys() == {ids["stored"]}
    assert read_status(delivered.spool_directory).dead == {
        ("outcome", "conflict"): 1,
        ("outcome", "unreadable"): 1,
        ("prediction", "refused"): 4,
        ("prediction", "unreadable"): 2,
    }
    told = [line for line in lines if line["event"] == "dead_letter"]
    assert len(told) == 8
    assert {line["prediction_id"] for line in told} == {*ids.values(), "e" * 24}
    assert MARK not in str(lines)
    with spool_of(delivered) as file:
        details = [row[0] for row in file.connection.execute("SELECT detail FROM dead_letters")]
    assert MARK not in str(details)


async def test_the_end_waits_for_no_database_that_hangs(
    settings: ServerSettings, make_record: MakeRecord, tmp_path: Path
) -> None:
    if find_program() is None:
        pytest.skip("secantusd-py is not installed")
    async with embedded_mongodb(tmp_path / "mongodb") as uri:
        delivered = settings.model_copy(
            update={"mongodb_uri": SecretStr(f"{uri}?socketTimeoutMS=3600000"), "drain_grace_s": 3600.0}
        )
        append(delivered, make_record(1))
        with delivery_process(delivered) as process:
            await asyncio.to_thread(eventually, lambda: bool(documents(delivered)))
            pid = int((tmp_path / "mongodb" / "pid").read_text())
            os.kill(pid, signal.SIGSTOP)
            try:
                append(delivered, make_record(2))
                lines = await asyncio.to_thread(end, process)
            finally:
                os.kill(pid, signal.SIGCONT)
    assert [line["event"] for line in lines] == ["stopping", "spool_not_flushed", "stopped"]
    assert read_status(delivered.spool_directory).waiting == 1


async def test_a_predecessor_that_still_delivers_is_waited_for_but_not_for_ever(
    delivered: ServerSettings, make_record: MakeRecord
) -> None:
    append(delivered, make_record(1))
    lock = lock_file(delivered.spool_directory / DELIVERY_LOCK_NAME)
    with pytest.raises(StartError, match="another process delivers the spool"):
        async with delivering(delivered, StopBudget(5.0), predecessor_ends_within_s=0.1):
            pass
    asyncio.get_running_loop().call_later(0.2, lock.close)
    async with delivering(delivered, StopBudget(5.0)):
        pass
    assert documents(delivered).keys() == {make_record(1).prediction_id}


async def test_a_spool_of_an_older_release_that_cannot_be_removed_holds_up_nothing(
    delivered: ServerSettings, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_file: SpoolFile) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(process_module, "take_over_former", refuse)
    append(delivered, make_record(1))
    with capture_logs() as logs:
        async with delivering(delivered, StopBudget(5.0)):
            await asyncio.to_thread(eventually, lambda: bool(documents(delivered)))
    assert [line["event"] for line in logs] == ["spool_not_taken_over"]


def test_a_bad_uri_is_reported_and_not_printed(delivered: ServerSettings) -> None:
    bad = delivered.model_copy(update={"mongodb_uri": SecretStr("mongodb://user:secret@db?timeoutMS=0")})
    order = {"settings": to_json(bad), "name": "delivery", "number": 0, "of": 1}
    done = subprocess.run(
        [sys.executable, "-m", "server.log.delivery.process"],
        input=json.dumps(order) + "\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    (problem,) = msgspec.json.decode(done.stdout).values()
    assert "not usable: timeoutMS has to be" in problem
    assert "secret" not in done.stdout + done.stderr
    assert (done.returncode, done.stderr) == (1, "")
