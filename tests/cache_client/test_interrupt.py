"""Ctrl-C and the death of a worker, while a simulation runs on several processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# Far more work than a test waits for; says when the first results are there.
ENDLESS = """
from cache_client.rpc.errors import WorkerError
from cache_client.policies import PolicyOptions, policies_named
from cache_client.simulator import World
from cache_client.simulator.simulation import replay_all
from tests.cache_client.traces import session

if __name__ == "__main__":
    sessions = [session([("A", 200.0, 150.0)] * 50, session_id=number) for number in range(5_000)]
    try:
        replay_all(
            sessions,
            policies_named(["next-n-full"], PolicyOptions()),
            [()] * len(sessions),
            World(),
            lambda replays: print("under way", flush=True),
            jobs=2,
        )
    except WorkerError as error:
        raise SystemExit(f"error: {error}")
    except KeyboardInterrupt:
        raise SystemExit(130)
"""


@contextmanager
def under_way(script: str) -> Iterator["subprocess.Popen[str]"]:
    """Runs the endless simulation in a process group of its own, from its first results on."""
    with subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "under way\n", process.stderr and process.stderr.read()
        yield process


@pytest.fixture
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("interrupt") / "endless.py"
    file.write_text(ENDLESS)
    return str(file)


def workers(process: "subprocess.Popen[str]") -> list[int]:
    found = subprocess.run(
        ["pgrep", "-f", "-P", str(process.pid), "spawn_main"], capture_output=True, text=True, check=True
    )
    return [int(number) for number in found.stdout.split()]


def test_ctrl_c_ends_the_workers_and_nobody_writes_a_traceback(script: str) -> None:
    with under_way(script) as process:
        both = workers(process)
        assert len(both) == 2
        os.killpg(process.pid, signal.SIGINT)  # all of the terminal's processes get it
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors == ""
    for number in both:
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)


def test_a_worker_that_is_killed_is_one_clear_error(script: str) -> None:
    with under_way(script) as process:
        os.kill(workers(process)[0], signal.SIGKILL)
        _, errors = process.communicate()
    assert process.returncode == 1
    assert errors == "error: a process of the simulation died; try fewer with --jobs\n"
