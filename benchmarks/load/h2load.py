"""Drives a gRPC server with h2load, and reads what it measured."""

import re
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import Message


@dataclass(frozen=True, slots=True)
class Load:
    """What one run measured.

    Attributes:
        calls_per_s: Answered calls a second.
        p99_ms: 99th percentile of their latency, in milliseconds.
        calls: How many were answered.
        failed: How many were not.
    """

    calls_per_s: float
    p99_ms: float
    calls: int
    failed: int


def is_installed() -> bool:
    """Returns whether there is an h2load to run."""
    return shutil.which("h2load") is not None


def drive(
    address: str,
    method: str,
    request: Message,
    *,
    in_flight: int,
    seconds: float,
    connections: int = 1,
    rate_per_s: int | None = None,
) -> Load:
    """Calls one method with one request as often as it is answered, or at a rate.

    Args:
        address: HOST:PORT.
        method: Full name, `package.Service/Method`.
        request: What to send.
        in_flight: Calls under way at once, over all connections.
        seconds: For how long.
        connections: How many connections share the calls.
        rate_per_s: Offered load; None for as much as is answered.

    Returns:
        What it measured.
    """
    return drive_bytes(
        address,
        method,
        request.SerializeToString(),
        in_flight=in_flight,
        seconds=seconds,
        connections=connections,
        rate_per_s=rate_per_s,
    )


def drive_bytes(
    address: str,
    method: str,
    body: bytes,
    *,
    in_flight: int,
    seconds: float,
    connections: int = 1,
    rate_per_s: int | None = None,
) -> Load:
    """Does the same with a request that is serialised already."""
    with tempfile.TemporaryDirectory() as folder:
        data, log = Path(folder) / "request", Path(folder) / "log"
        data.write_bytes(b"\0" + struct.pack(">I", len(body)) + body)
        command = ["h2load", "--threads=1", f"--clients={connections}", f"--data={data}", f"--log-file={log}"]
        command += [f"--max-concurrent-streams={max(1, in_flight // connections)}"]
        command += [f"--duration={seconds:g}", "--warm-up-time=1"]
        if rate_per_s is not None:
            command += [f"--rps={rate_per_s / connections:g}"]
        command += ["--header=content-type: application/grpc", "--header=te: trailers"]
        done = subprocess.run(
            [*command, f"http://{address}/{method}"], capture_output=True, text=True, check=True
        )
        return _read(done.stdout, log)


def _read(output: str, log: Path) -> Load:
    counts = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", output)
    rate = re.search(r"([\d.]+) req/s", output)
    if counts is None or rate is None:
        raise RuntimeError(f"h2load said nothing to be read: {output[-300:]}")
    latencies = sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())
    p99_ms = latencies[int(len(latencies) * 0.99)] / 1000 if latencies else float("nan")
    return Load(float(rate[1]), p99_ms, int(counts[2]), int(counts[3]) + int(counts[4]))
