"""`python -m server` as people and other programs run it: a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from data.terminal import INTERRUPTED
from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server.log.mongo.embedded.database import find_program

Start = Callable[..., "subprocess.Popen[str]"]
UNREACHABLE = "mongodb://user:secret@127.0.0.1:9/nowhere"
needs_embedded = pytest.mark.skipif(find_program() is None, reason="secantusd-py is not installed")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine where nothing is configured but where the server may write."""
    ours = ("PLAYTHROUGH_", "MONGODB_URI", "DATA_VERSION")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    # Set rather than left out: else a developer's `.env` could name a database that is in use.
    return inherited | {"PLAYTHROUGH_VAR_DIR": str(tmp_path / "var"), "MONGODB_URI": "embedded"}


@pytest.fixture
def arguments(data_directory: Path, registry_directory: Path) -> list[str]:
    return ["--data", str(data_directory), "--models", str(registry_directory), "--port", "0"]


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Starts `python -m server` and makes sure that it ends."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "server", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def ready(process: "subprocess.Popen[str]") -> tuple[str, list[str]]:
    """Waits for the ready line; returns the address and the lines before it."""
    assert process.stdout is not None
    before: list[str] = []
    for line in process.stdout:
        if line.startswith("listening on "):
            return line.split()[-1], before
        before.append(line.strip())
    raise AssertionError(f"ended without being ready: {process.communicate()[1]}")


def predict_random(address: str, track_id: str, times: int = 1) -> list[str]:
    with grpc.insecure_channel(address) as channel:
        stub = pb_grpc.PredictionServiceStub(channel)
        request = pb.PredictRandomRequest(track_id=track_id)
        return [stub.PredictRandom(request).prediction_id for _ in range(times)]


def answers(uri: str) -> bool:
    client: MongoClient[dict[str, Any]] = MongoClient(uri, serverSelectionTimeoutMS=200)
    with closing(client):
        try:
            client.admin.command("ping")
        except PyMongoError:
            return False
        return True


def refused(process: "subprocess.Popen[str]") -> str:
    """Returns the one line on stderr of a command that has to fail."""
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert output == ""
    (line,) = errors.splitlines()
    return line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_flushes_and_ends_with_zero(
    start: Start, arguments: list[str], track_ids: list[str], mongodb_uri: str, number: signal.Signals
) -> None:
    process = start(*arguments, "--mongodb-uri", mongodb_uri)
    address, before = ready(process)
    assert before == []
    answered = predict_random(address, track_ids[0], times=20)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "")
    assert all(json.loads(line)["event"] for line in errors.splitlines())
    client: MongoClient[dict[str, Any]] = MongoClient(mongodb_uri)
    with closing(client):
        stored = client.get_default_database()["predictions"].distinct("_id")
    assert sorted(stored) == sorted(answered)


@needs_embedded
@pytest.mark.parametrize("blocked", ["_read_data", "load_models"])
def test_ctrl_c_gives_up_a_start_without_waiting_for_a_load(
    arguments: list[str], environment: dict[str, str], tmp_path: Path, blocked: str
) -> None:
    program = f"""
import sys, time
from data import terminal
from server import app, cli

def load(*_):
    print("loading", flush=True)
    time.sleep(3600)

app.{blocked} = load
terminal.run(cli.app)
"""
    command = [sys.executable, "-c", program, *arguments]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "loading\n"
            if blocked == "load_models":
                assert process.stdout.readline().startswith("embedded MongoDB at ")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == INTERRUPTED
    assert "Traceback" not in errors
    database = tmp_path / "var" / "mongodb"
    assert not (database / "uri").exists()
    if blocked == "load_models":
        assert not Path("/proc", (database / "pid").read_text()).exists()


@needs_embedded
def test_the_embedded_database_is_announced_reported_on_and_outlives_nothing(
    start: Start, arguments: list[str], track_ids: list[str], environment: dict[str, str]
) -> None:
    process = start("serve", *arguments)
    address, (announced,) = ready(process)
    uri = announced.removeprefix("embedded MongoDB at ")
    assert uri.endswith("/playthrough")
    predict_random(address, track_ids[0], times=10)

    live = report(environment)  # finds the running server's database
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert not answers(uri)
    after = report(environment)  # starts the database for the duration
    assert after["health"]["n"] == 10
    assert live["health"]["n"] + live["health"]["n_waiting_in_spool"] == 10
    assert sum(arm["n"] for arm in after["arms"].values()) == 10
    assert after["phase"] == live["phase"]
    page = Path(environment["PLAYTHROUGH_VAR_DIR"]) / "pages" / "report.html"
    files = ("--html", str(page), "--json", str(page.with_suffix(".json")))
    done = start("report", *files, "--export", str(page.with_suffix(".csv")))
    output, _ = done.communicate(timeout=60)
    assert done.returncode == 0
    assert "Verdict: " in output
    assert "<svg " in page.read_text(encoding="utf-8")
    assert json.loads(page.with_suffix(".json").read_text())["arms"] == after["arms"]
    assert len(page.with_suffix(".csv").read_text(encoding="utf-8").splitlines()) == 1 + 10


def report(environment: dict[str, str], *arguments: str) -> Any:
    command = [sys.executable, "-m", "server", "report", "--json", "-", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


@needs_embedded
def test_kill_9_loses_nothing_and_leaves_no_database_behind(
    start: Start, arguments: list[str], track_ids: list[str], environment: dict[str, str]
) -> None:
    answered: list[str] = []
    for _ in range(2):
        process = start(*arguments)
        address, (announced,) = ready(process)
        answered += predict_random(address, track_ids[0], times=30)
        process.kill()
        process.communicate()
        uri = announced.removeprefix("embedded MongoDB at ")
        deadline = time.monotonic() + 30
        while answers(uri):
            assert time.monotonic() < deadline, "the embedded database outlived its server"

    process = start(*arguments)
    ready(process)
    process.terminate()
    process.communicate(timeout=60)
    figures = report(environment)
    assert figures["health"]["n_waiting_in_spool"] == 0
    assert figures["health"]["n"] == len(set(answered)) == 60


def test_a_mongodb_that_does_not_answer_keeps_nobody_from_serving(
    start: Start, arguments: list[str], track_ids: list[str]
) -> None:
    process = start(*arguments, "--mongodb-uri", UNREACHABLE)
    address, _ = ready(process)
    assert len(predict_random(address, track_ids[0])) == 1
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "spool_not_flushed" in errors
    assert "secret" not in errors


def test_a_busy_port_is_one_line(start: Start, arguments: list[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start(*arguments, "--port", str(port), "--mongodb-uri", UNREACHABLE)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert f"error: cannot listen on 127.0.0.1:{port}: Address already in use" in errors.splitlines()
    assert "Traceback" not in errors


def test_a_folder_in_use_is_one_line(start: Start, arguments: list[str]) -> None:
    first = start(*arguments, "--mongodb-uri", UNREACHABLE)
    ready(first)
    assert "is in use by another server" in refused(start(*arguments, "--mongodb-uri", UNREACHABLE))


def test_a_missing_data_folder_is_one_line(start: Start, registry_directory: Path, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    line = refused(
        start("--data", missing, "--models", str(registry_directory), "--mongodb-uri", UNREACHABLE)
    )
    assert missing in line


def test_an_empty_registry_is_one_line(start: Start, data_directory: Path, tmp_path: Path) -> None:
    line = refused(
        start("--data", str(data_directory), "--models", str(tmp_path / "none"), "--mongodb-uri", UNREACHABLE)
    )
    assert "python -m trainer" in line


def test_a_default_model_that_is_not_there_is_one_line_by_flag_and_by_variable(
    start: Start, arguments: list[str], environment: dict[str, str]
) -> None:
    expected = "error: the default model 'other' cannot be served: "
    assert refused(start(*arguments, "--default-model", "other")).startswith(expected)
    environment["PLAYTHROUGH_DEFAULT_MODEL"] = "other"
    assert refused(start(*arguments)).startswith(expected)


def test_a_default_model_by_flag_beats_the_variable_in_each_worker(
    start: Start, arguments: list[str], environment: dict[str, str], mongodb_uri: str, track_ids: list[str]
) -> None:
    environment["PLAYTHROUGH_DEFAULT_MODEL"] = "other"
    flags = ("--default-model", "simple", "--workers", "2", "--mongodb-uri", mongodb_uri)
    address, _ = ready(start(*arguments, *flags))
    with grpc.insecure_channel(address) as channel:
        stub = pb_grpc.PredictionServiceStub(channel)
        assert stub.Predict(pb.PredictRequest(track_id=track_ids[0])).model == "simple"


@pytest.mark.parametrize("uri", ["http://user:secret@db", "mongodb://user:secret@", "secret"])
def test_a_bad_uri_is_one_line_without_its_password(start: Start, arguments: list[str], uri: str) -> None:
    process = start(*arguments, "--mongodb-uri", uri)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    # Delivery refuses it; the models are loaded meanwhile, which is logged.
    (line,) = [line for line in errors.splitlines() if not line.startswith("{")]
    assert line.startswith("error: the MongoDB URI is not usable")
    assert "secret" not in errors


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--since", "yesterday"], "not an ISO 8601 time: 'yesterday'"),
        (["--mongodb-uri", UNREACHABLE], "no answer from MongoDB at mongodb://127.0.0.1:9/nowhere"),
        ([], "no experiment has been logged"),
        (["--phase", "ffff"], "no experiment has been logged"),
        (["--export", "e.xlsx", "--mongodb-uri", UNREACHABLE], "e.xlsx has to end with .csv or .parquet"),
    ],
)
def test_a_report_that_cannot_be_made_is_one_line(start: Start, arguments: list[str], expected: str) -> None:
    line = refused(start("report", *arguments))
    assert expected in line
    assert "secret" not in line


@pytest.mark.parametrize("command", [[], ["serve"], ["report"]])
def test_help_shows_an_example(start: Start, command: list[str]) -> None:
    output, _ = start(*command, "--help").communicate(timeout=60)
    assert "Example: python -m server" in output
    if command == []:  # the commands, and the flags of the one that is run when none is named
        assert all(text in output for text in ("report", "health", "--port", "--workers"))
