"""Drives a gRPC server with h2load, and reads what it measured."""

import math
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Load:
    """What one run measured.

    Attributes:
        calls_per_s: Answered calls a second.
        calls: How many were answered.
        failed: How many were not.
        timeline: When each began, in seconds since 1970, rising, and its latency in milliseconds.
    """

    calls_per_s: float
    calls: int
    failed: int
    timeline: tuple[tuple[float, float], ...]

    @property
    def p99_ms(self) -> float:
        """Returns the 99th percentile of latency, in milliseconds; NaN when there was no call."""
        return self.p99_ms_between(-math.inf, math.inf)

    def p99_ms_between(self, begin_s: float, end_s: float) -> float:
        """Returns the same of the calls that began in a span of time."""
        latencies = sorted(latency_ms for start_s, latency_ms in self.timeline if begin_s <= start_s <= end_s)
        return latencies[int(len(latencies) * 0.99)] if latencies else math.nan


def is_installed() -> bool:
    """Returns whether there is an h2load to run."""
    return shutil.which("h2load") is not None


def drive(
    address: str,
    method: str,
    body: bytes,
    *,
    in_flight: int,
    seconds: float,
    rate_per_s: int | None = None,
    connections: int = 1,
    scheme: str = "http",
    headers: Sequence[str] = (),
) -> Load:
    """Calls one method with one request, as often as it is answered or at a rate.

    Args:
        address: HOST:PORT.
        method: Full name, `package.Service/Method`.
        body: The request, serialised.
        in_flight: Calls under way at once, over all connections.
        seconds: For how long.
        rate_per_s: Offered load; None for as much as is answered.
        connections: Over how many connections; workers share a port by connection.
        scheme: "http", or "https" for TLS; certificates are not looked at.
        headers: Further headers, as `name: value`.

    Returns:
        What it measured.
    """
    with tempfile.TemporaryDirectory() as folder:
        data, log = Path(folder) / "request", Path(folder) / "log"
        data.write_bytes(b"\0" + struct.pack(">I", len(body)) + body)
        command = ["h2load", "--threads=1", f"--clients={connections}", f"--data={data}", f"--log-file={log}"]
        command += [f"--max-concurrent-streams={in_flight // connections}", "--warm-up-time=1"]
        command += [f"--duration={seconds * 1000:.0f}ms"]  # it takes no fraction of a second
        if rate_per_s is not None:
            command += [f"--rps={rate_per_s / connections:g}"]
        command += ["--header=content-type: application/grpc", "--header=te: trailers"]
        command += [f"--header={header}" for header in headers]
        done = subprocess.run(
            [*command, f"{scheme}://{address}/{method}"], capture_output=True, text=True, check=True
        )
        return _read(done.stdout, log)


def _read(output: str, log: Path) -> Load:
    counts = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", output)
    rate = re.search(r"([\d.]+) req/s", output)
    if counts is None or rate is None:
        raise RuntimeError(f"h2load wrote no counts: {output[-300:]}")
    fields = (line.split("\t") for line in log.read_text().splitlines())
    timeline = sorted((int(start_us) / 1e6, int(took_us) / 1e3) for start_us, _, took_us in fields)
    return Load(float(rate[1]), int(counts[2]), int(counts[3]) + int(counts[4]), tuple(timeline))
