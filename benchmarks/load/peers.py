"""MLServer with the same network, where `make bench-peers` has installed it."""

import tempfile
from pathlib import Path

from benchmarks.load import h2load, servers
from benchmarks.load.comparing import Bench, Row, compare
from benchmarks.load.servers import Running

PYTHON = Path(".bench-venv/bin/python")
_METHOD = "inference.GRPCInferenceService/ModelInfer"


def compare_with_mlserver(bench: Bench, ours: Running) -> list[Row]:
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
            return [compare(claim, "calls/s", lambda: bench.rate(ours, "Predict", 64), theirs, bench.pairs)]
