"""`python -m server deliver`: delivery beside a server that starts none, in processes of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from pymongo import MongoClient

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server.log.spool.status import read_status

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path, mongodb_uri: str) -> Iterator[Start]:
    """Starts a command of `python -m server` in one folder, and waits for its first line."""
    started: list[subprocess.Popen[str]] = []
    ours = ("PLAYTHROUGH_", "MONGODB_URI", "DATA_VERSION")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {"PLAYTHROUGH_VAR_DIR": str(tmp_path / "var"), "MONGODB_URI": mongodb_uri}

    def run(*arguments: str, limit: str = "", **variables: str) -> "subprocess.Popen[str]":
        command = ["sh", "-c", f'{limit} exec "$@"', "sh", sys.executable, "-m", "server", *arguments]
        pipe, given = subprocess.PIPE, environment | variables
        process = subprocess.Popen(command, env=given, stdout=pipe, stderr=pipe, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def serve(start: Start, data_directory: Path, registry_directory: Path) -> Start:
    arguments = ["--data", str(data_directory), "--models", str(registry_directory), "--port", "0"]
    return lambda: start(*arguments, "--delivery", "none")


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    return line.strip()


def log(address: str, track_id: str) -> str:
    """Logs a prediction and its outcome; returns its id."""
    with grpc.insecure_channel(address) as channel:
        stub = pb_grpc.PredictionServiceStub(channel)
        prediction_id = stub.PredictRandom(pb.PredictRandomRequest(track_id=track_id)).prediction_id
        outcome = pb.RecordOutcomeRequest(prediction_id=prediction_id, skipped=True, listened_ms=900)
        stub.RecordOutcome(outcome)
    return str(prediction_id)


def heard(uri: str) -> set[str]:
    """Returns the ids of the predictions that MongoDB has with an outcome."""
    with MongoClient[dict[str, Any]](uri) as client:
        found = client.get_default_database()["predictions"].find({"outcome.skipped": True})
        return {document["_id"] for document in found}


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def address_of(process: "subprocess.Popen[str]") -> str:
    return first_line(process).removeprefix("listening on ")


def test_each_of_the_two_is_killed_and_nothing_is_lost(
    start: Start, serve: Start, mongodb_uri: str, track_ids: list[str], tmp_path: Path
) -> None:
    """The server while delivery runs on, then delivery while the server runs on, then both end in order."""
    spool = tmp_path / "var" / "spool"
    delivery, server = start("deliver"), serve()
    assert first_line(delivery) == f"delivering {spool} to {mongodb_uri}"
    address = address_of(server)
    answered = {log(address, track_ids[0]) for _ in range(5)}
    server.kill()
    eventually(lambda: heard(mongodb_uri) == answered)

    server = serve()
    address = address_of(server)
    delivery.kill()
    delivery.communicate()
    answered |= {log(address, track_ids[0]) for _ in range(5)}
    status = read_status(spool)
    assert (status.waiting, status.waiting_outcomes, status.delivering) == (5, 5, False)

    delivery = start("deliver")
    first_line(delivery)
    again = start("deliver")
    _, errors = again.communicate(timeout=60)
    assert again.returncode == 1
    assert f"another process delivers the spool {spool} already" in errors
    answered |= {log(address, track_ids[0]) for _ in range(50)}
    for process in (server, delivery):  # what a pod does with a container and its sidecar
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert heard(mongodb_uri) == answered
    assert read_status(spool).waiting == 0


def test_a_server_without_delivery_starts_no_process(serve: Start) -> None:
    server = serve()
    address_of(server)
    assert Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text() == ""


def test_delivery_logs_in_the_form_that_is_set(start: Start) -> None:
    delivery = start("deliver", PLAYTHROUGH_LOG_FORMAT="console")
    first_line(delivery)
    delivery.terminate()
    _, errors = delivery.communicate(timeout=60)
    assert "stopping" in errors
    assert not errors.startswith("{")


def test_a_disk_that_takes_nothing_is_named(start: Start, tmp_path: Path) -> None:
    delivery = start("deliver", limit="ulimit -f 0;")  # no file may grow, as on a full disk
    output, errors = delivery.communicate(timeout=60)
    assert (delivery.returncode, output) == (1, "")
    assert errors == f"error: cannot write to {tmp_path / 'var' / 'spool'}: File too large\n"
