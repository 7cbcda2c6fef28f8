"""MLServer with the same network, where `make bench-peers` has installed it."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from benchmarks.load import h2load, servers
from benchmarks.load.servers import Running

PYTHON = Path(".bench-venv/bin/python")
Row = TypeVar("Row")
_METHOD = "inference.GRPCInferenceService/ModelInfer"


class Bench(Protocol):
    """What is needed of the benchmark's settings."""

    @property
    def seconds(self) -> float:
        """Returns the length of one measurement, in seconds."""
        ...

    @property
    def pairs(self) -> int:
        """Returns how many pairs a ratio is the median of."""
        ...

    def rate(self, server: Running, name: str, in_flight: int) -> float:
        """Returns answered calls a second."""
        ...


def compare(
    bench: Bench,
    compared: Callable[[str, str, Callable[[], float], Callable[[], float], int], Row],
    ours: Running,
) -> list[Row]:
    """Compares single predictions with MLServer's; returns nothing where it is not installed."""
    if not PYTHON.exists():
        return []
    with tempfile.TemporaryDirectory() as folder:
        request = Path(folder) / "request"
        command = [str(PYTHON), "benchmarks/load/mlserver_peer.py", folder, str(request)]
        with servers.running(command) as peer:
            body = request.read_bytes()

            def theirs() -> float:
                load = h2load.drive_bytes(peer.address, _METHOD, body, in_flight=64, seconds=bench.seconds)
                return load.calls_per_s

            claim = "Predict, 64 in flight, to MLServer's ModelInfer of the same network"
            return [compared(claim, "calls/s", lambda: bench.rate(ours, "Predict", 64), theirs, bench.pairs)]
