"""Starts the servers that `benchmarks.serving` compares, and watches what they take."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_START_TIMEOUT_S = 120.0
_SETTLE_TIMEOUT_S = 300.0
_QUIET_S, _IDLE_SHARE = 0.5, 0.05
_READY = "listening on "


@dataclass(frozen=True, slots=True)
class Running:
    """A server that listens.

    Attributes:
        address: HOST:PORT.
        pid: Its process.
        ready_s: Time from its start to its ready line, in seconds.
        scheme: "http", or "https" where it speaks TLS.
        headers: What each call shows.
    """

    address: str
    pid: int
    ready_s: float
    scheme: str = "http"
    headers: tuple[str, ...] = ()

    def cpu_s(self) -> float:
        """Returns the processor time that it has used so far, in seconds."""
        return _cpu_s(self.pid)

    def children_cpu_s(self) -> float:
        """Returns that of the processes that it has started: its database, and what delivers to it."""
        return sum(map(_cpu_s, _family(self.pid))) - _cpu_s(self.pid)

    def settle(self) -> None:
        """Waits until the server and its database have nothing left to do: a spool is emptied after the load.

        Raises:
            RuntimeError: When that takes five minutes.
        """
        deadline = time.monotonic() + _SETTLE_TIMEOUT_S
        while time.monotonic() < deadline:
            before = sum(map(_cpu_s, _family(self.pid)))
            time.sleep(_QUIET_S)
            if sum(map(_cpu_s, _family(self.pid))) - before < _IDLE_SHARE * _QUIET_S:
                return
        raise RuntimeError("the server is still at work long after the load")


@contextmanager
def running(command: list[str], **environment: str) -> Iterator[Running]:
    """Runs a server for the duration of a block.

    Args:
        command: What to run; it prints `listening on HOST:PORT` when ready.
        **environment: Variables beyond this process's own.

    Raises:
        RuntimeError: When it ends instead, or takes two minutes.
    """
    began = time.monotonic()
    process = subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        address = _wait(process, began + _START_TIMEOUT_S)
        yield Running(address, process.pid, time.monotonic() - began)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()


def our_server(data: Path, models: Path, *options: str) -> list[str]:
    """Returns the command of our server; the caller names its folder by PLAYTHROUGH_VAR_DIR."""
    command = [sys.executable, "-m", "server", "--data", str(data), "--models", str(models), "--port", "0"]
    return [*command, *options]


def processor() -> str:
    """Returns the processor's name, and how many cores this process may use."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else 'unknown'}, {len(os.sched_getaffinity(0))} cores"


def resident_mb(pid: int) -> float:
    """Returns a process's resident memory, in MB."""
    return _memory_mb(pid, "VmRSS")


def peak_mb(pid: int) -> float:
    """Returns the most that it has had resident since `forget_peak`, in MB."""
    return _memory_mb(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Lets the peak of a process of this user begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _memory_mb(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")


def _family(pid: int) -> list[int]:
    """Returns a process and all that descend from it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in _family(int(child)))]


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wait(process: "subprocess.Popen[str]", deadline: float) -> str:
    assert process.stdout is not None
    while time.monotonic() < deadline:
        if not select.select([process.stdout], [], [], 1.0)[0]:
            continue
        line = process.stdout.readline()
        if line.startswith(_READY):
            return line.removeprefix(_READY).strip()
        if not line:
            break
    raise RuntimeError(f"not ready: {' '.join(process.args if isinstance(process.args, list) else [])}")
