"""Several workers on one port, as processes of their own."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from pymongo import MongoClient

from data.terminal import INTERRUPTED
from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server.log.spool.status import count_spooled
from server.rpc.health import SERVICE_NAME
from server.stop_signals import _SAME_SIGNAL_S
from tests.server.ports import free_ports


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    ours = ("PLAYTHROUGH_", "MONGODB_URI", "DATA_VERSION")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return inherited | {"PLAYTHROUGH_VAR_DIR": str(tmp_path / "var")}


@pytest.fixture
def command(data_directory: Path, registry_directory: Path) -> list[str]:
    command = [sys.executable, "-m", "server", "--data", str(data_directory)]
    return [*command, "--models", str(registry_directory), "--port", "0", "--workers", "2"]


@pytest.fixture
def supervisor(
    command: list[str], environment: dict[str, str], mongodb_uri: str
) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [*command, "--mongodb-uri", mongodb_uri],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def address_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("listening on "), process.communicate()[1]
    return line.split()[-1]


def children_of(process: "subprocess.Popen[str]", module: str) -> list[int]:
    """Returns the process ids of the children that run a module."""
    found = []
    for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        with contextlib.suppress(OSError):
            if module in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
                found.append(int(pid))
    return found


def workers_of(process: "subprocess.Popen[str]") -> list[int]:
    return children_of(process, "server.worker")


def delivery_of(process: "subprocess.Popen[str]") -> int:
    (pid,) = children_of(process, "server.log.delivery.process")
    return pid


def sockets_of(pid: int) -> int:
    return sum(os.readlink(fd).startswith("socket:") for fd in Path(f"/proc/{pid}/fd").iterdir())


def open_channel(address: str) -> grpc.Channel:
    """Returns a channel with a connection of its own, so that every worker gets some."""
    return grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])


def predict_random(address: str, track_id: str, times: int) -> list[str]:
    """Logs predictions, each over a connection of its own, so that every worker gets some."""
    ids = []
    for _ in range(times):
        with open_channel(address) as channel:
            stub = pb_grpc.PredictionServiceStub(channel)
            ids.append(stub.PredictRandom(pb.PredictRandomRequest(track_id=track_id)).prediction_id)
    return ids


def stored(uri: str) -> list[str]:
    client: MongoClient[dict[str, Any]] = MongoClient(uri)
    try:
        return client.get_default_database()["predictions"].distinct("_id")
    finally:
        client.close()


def test_workers_share_the_port_and_a_signal_ends_them_in_order(
    supervisor: "subprocess.Popen[str]",
    tmp_path: Path,
    track_ids: list[str],
    mongodb_uri: str,
    command: list[str],
    environment: dict[str, str],
) -> None:
    address = address_of(supervisor)
    workers = workers_of(supervisor)
    assert len(workers) == 2
    before = [sockets_of(worker) for worker in workers]
    with contextlib.ExitStack() as open_ones:
        channels = [open_ones.enter_context(open_channel(address)) for _ in range(40)]
        stubs = [pb_grpc.PredictionServiceStub(channel) for channel in channels]
        answered = [
            stub.PredictRandom(pb.PredictRandomRequest(track_id=track_ids[0])).prediction_id for stub in stubs
        ]
        assert all(sockets_of(worker) > n for worker, n in zip(workers, before, strict=True))
    delivery = delivery_of(supervisor)

    # The port is taken, although its owners would share it with each other.
    again = [*command, "--port", address.rpartition(":")[2], "--mongodb-uri", mongodb_uri]
    elsewhere = environment | {"PLAYTHROUGH_VAR_DIR": str(tmp_path / "other")}
    second = subprocess.run(again, env=elsewhere, capture_output=True, text=True, check=False, timeout=120)
    assert (second.returncode, second.stdout) == (1, "")
    assert "Address already in use" in second.stderr

    supervisor.terminate()
    output, _ = supervisor.communicate(timeout=120)
    assert (supervisor.returncode, output) == (0, "")
    assert sorted(stored(mongodb_uri)) == sorted(answered)
    assert not any(Path(f"/proc/{child}").exists() for child in (*workers, delivery))


def test_a_request_id_is_one_prediction_whichever_worker_is_asked(
    supervisor: "subprocess.Popen[str]", track_ids: list[str], mongodb_uri: str
) -> None:
    address = address_of(supervisor)
    request = pb.PredictRandomRequest(track_id=track_ids[0], request_id="r-1")
    with contextlib.ExitStack() as open_ones:
        channels = [open_ones.enter_context(open_channel(address)) for _ in range(20)]
        stubs = [pb_grpc.PredictionServiceStub(channel) for channel in channels]
        for _ in range(3):
            calls = [stub.PredictRandom.future(request) for stub in stubs]  # at once, as hasty retries come
            answers = [call.result() for call in calls]
            assert answers == [answers[0]] * 20
    supervisor.terminate()
    supervisor.communicate(timeout=120)
    assert stored(mongodb_uri) == [answers[0].prediction_id]


def test_a_dead_worker_is_replaced_and_loses_nothing(
    supervisor: "subprocess.Popen[str]", track_ids: list[str], mongodb_uri: str
) -> None:
    """With a delivery that dies beside it."""
    address = address_of(supervisor)
    before = workers_of(supervisor)
    answered = predict_random(address, track_ids[0], 10)
    os.kill(before[0], signal.SIGKILL)
    os.kill(delivery_of(supervisor), signal.SIGKILL)
    deadline = time.monotonic() + 120
    while len(set(workers_of(supervisor)) - {before[0]}) < 2:
        assert time.monotonic() < deadline, "no worker was started in its place"
        time.sleep(0.05)
    answered += predict_random(address, track_ids[0], 10)
    while not set(answered) <= set(stored(mongodb_uri)):
        assert time.monotonic() < deadline, "a prediction was lost"
        time.sleep(0.1)
    supervisor.terminate()
    supervisor.communicate(timeout=120)
    assert supervisor.returncode == 0


def test_workers_and_delivery_end_with_their_supervisor(supervisor: "subprocess.Popen[str]") -> None:
    address_of(supervisor)
    children = [*workers_of(supervisor), delivery_of(supervisor)]
    supervisor.kill()
    supervisor.communicate()
    deadline = time.monotonic() + 60
    while any(_runs(child) for child in children):
        assert time.monotonic() < deadline, "a child outlived its supervisor"
        time.sleep(0.05)


@pytest.mark.parametrize("module", ["server.log.delivery.process", "server.worker"])
def test_ctrl_c_while_children_load_their_modules_prints_no_traceback(
    command: list[str], environment: dict[str, str], module: str
) -> None:
    uri = "mongodb://127.0.0.1:9/nowhere"
    with subprocess.Popen(
        [*command, "--mongodb-uri", uri],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while not (children := children_of(process, module)):
                assert time.monotonic() < deadline, "no child was started"
                time.sleep(0.01)
            time.sleep(0.3)  # they import the server
            os.killpg(process.pid, signal.SIGINT)  # as the terminal does
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, output) == (INTERRUPTED, "")
    assert "Traceback" not in errors
    assert not any(_runs(child) for child in children)


def test_a_second_ctrl_c_ends_workers_that_drain_and_loses_nothing(
    command: list[str], environment: dict[str, str], track_ids: list[str], tmp_path: Path
) -> None:
    patient = environment | {"PLAYTHROUGH_DRAIN_GRACE_S": "3600"}
    with subprocess.Popen(
        [*command, "--mongodb-uri", "mongodb://127.0.0.1:9/nowhere"],
        env=patient,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            address = address_of(process)
            workers = workers_of(process)
            predict_random(address, track_ids[0], 10)
            with grpc.insecure_channel(address) as channel:
                asking: Queue[reflection_pb2.ServerReflectionRequest | None] = Queue()
                stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
                stream = stub.ServerReflectionInfo(iter(asking.get, None))
                asking.put(reflection_pb2.ServerReflectionRequest(list_services=""))
                next(stream)  # and stays open
                process.send_signal(signal.SIGINT)
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(timeout=1.0)
                process.send_signal(signal.SIGINT)
                _, errors = process.communicate(timeout=60)
                asking.put(None)
        finally:
            process.kill()
    assert process.returncode == INTERRUPTED
    assert "Traceback" not in errors
    assert "worker_killed" not in errors
    assert not any(_runs(worker) for worker in workers)
    assert count_spooled(tmp_path / "var" / "spool").waiting == 10


def test_a_worker_whose_supervisor_died_before_it_gave_an_order_ends_silently() -> None:
    command = [sys.executable, "-m", "server.worker"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


@pytest.mark.parametrize("after_s", [0.2, 1.0])
def test_workers_that_still_start_end_with_their_supervisor(
    supervisor: "subprocess.Popen[str]", after_s: float
) -> None:
    deadline = time.monotonic() + 60
    while len(workers := workers_of(supervisor)) < 2:
        assert time.monotonic() < deadline, "no worker was started"
        time.sleep(0.01)
    time.sleep(after_s)
    supervisor.kill()
    _, errors = supervisor.communicate()  # at the end of the last one that has stderr
    while any(_runs(worker) for worker in workers):
        assert time.monotonic() < deadline, "a worker outlived its supervisor"
        time.sleep(0.05)
    assert "Traceback" not in errors


def test_a_worker_that_drains_after_its_supervisor_was_killed_leaves_the_processor_alone(
    supervisor: "subprocess.Popen[str]",
) -> None:
    """Its stdin has ended then, which a reader that is not removed would be told again and again."""
    address = address_of(supervisor)
    workers = workers_of(supervisor)
    asking: Queue[reflection_pb2.ServerReflectionRequest | None] = Queue()
    with grpc.insecure_channel(address) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        stream = stub.ServerReflectionInfo(iter(asking.get, None))
        asking.put(reflection_pb2.ServerReflectionRequest(list_services=""))
        next(stream)  # and stays open: one worker has a call under way until its grace period is over
        supervisor.kill()
        deadline = time.monotonic() + 60
        while len(draining := [pid for pid in workers if _runs(pid)]) > 1:
            assert time.monotonic() < deadline, "the worker without a call does not end"
            time.sleep(0.05)
        before_s = _busy_s(draining[0])
        time.sleep(1.0)
        assert _runs(draining[0]), "the call was cut off"
        assert _busy_s(draining[0]) - before_s < 0.5, "it spins"
        asking.put(None)
    while _runs(draining[0]):
        assert time.monotonic() < deadline, "a worker outlived its supervisor"
        time.sleep(0.05)


def _busy_s(pid: int) -> float:
    """Returns how long a process's main thread has run or waited for a core: a spinning one does always."""
    ran_ns, waited_ns, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    return (int(ran_ns) + int(waited_ns)) / 1e9


def _runs(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_what_keeps_a_worker_from_starting_is_one_line(
    command: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    uri = "mongodb://127.0.0.1:9/nowhere"
    failing = [*command, "--models", str(tmp_path / "none"), "--mongodb-uri", uri]
    done = subprocess.run(failing, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (1, "")
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")] == [
        done.stderr.splitlines()[-1]
    ]
    assert "python -m trainer" in done.stderr


def status_of(port: int, service: str) -> int:
    """Asks for health over a connection of its own, so that any worker may answer."""
    with open_channel(f"127.0.0.1:{port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=service)
        return int(health.Check(request, timeout=60, wait_for_ready=True).status)


def test_workers_share_the_health_port_and_pause_before_their_end(
    command: list[str], environment: dict[str, str], track_ids: list[str]
) -> None:
    serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    (port,) = free_ports(1)
    with subprocess.Popen(
        [*command, "--delivery", "none", "--health-port", str(port)],
        env=environment | {"PLAYTHROUGH_DRAIN_PAUSE_S": "3600"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as supervisor:
        try:
            address = address_of(supervisor)
            workers = workers_of(supervisor)
            assert {status_of(port, service) for service in ("", SERVICE_NAME) * 10} == {serving}
            supervisor.terminate()
            deadline = time.monotonic() + 60
            while {status_of(port, SERVICE_NAME) for _ in range(10)} != {not_serving}:
                assert time.monotonic() < deadline
            assert {status_of(port, "") for _ in range(10)} == {serving}
            for _ in range(10):
                with open_channel(address) as channel:
                    stub = pb_grpc.PredictionServiceStub(channel)
                    assert stub.Predict(pb.PredictRequest(track_id=track_ids[0])).model == "advanced"
            assert supervisor.poll() is None
            time.sleep(2 * _SAME_SIGNAL_S)
            supervisor.terminate()  # cuts the pause short
            assert supervisor.wait(timeout=60) == 0
            assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
        finally:
            supervisor.kill()
