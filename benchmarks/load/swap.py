"""A new model version comes while the server is under load: what the calls around it notice."""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc

from benchmarks.load import calls_ended, servers
from benchmarks.load.comparing import Bench, Row
from benchmarks.load.servers import Running
from models.artifact import load, save
from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc

_TIMEOUT_S = 60.0
_POLL_S = "0.2"  # so that the swap is most of what is measured


@contextmanager
def swapping(data: Path, models: Path, folder: Path) -> Iterator["Swapping"]:
    """Runs a server with a registry of its own, and with metrics, for the duration of a block."""
    registry = folder / "registry"
    shutil.copytree(models, registry)
    port = calls_ended.free_port()
    command = servers.our_server(data, registry, "--metrics-port", str(port))
    var = {"PLAYTHROUGH_VAR_DIR": str(folder / "swap"), "PLAYTHROUGH_REGISTRY_POLL_S": _POLL_S}
    with servers.running(command, **var) as server:
        yield Swapping(server, registry, port)


class Swapping:
    """A server whose registry gets new versions."""

    def __init__(self, server: Running, registry: Path, metrics_port: int) -> None:
        """Names the server, its registry, and the port of its metrics."""
        self.server = server
        self._failed = 0
        self._swap_s: list[float] = []
        self._registry = registry
        self._metrics_port = metrics_port

    def compare(self, bench: Bench, rate_per_s: int) -> tuple[Row, dict[str, float]]:
        """Compares the calls around a swap with those of a quiet time.

        Args:
            bench: How long and how often to measure.
            rate_per_s: Offered load.

        Returns:
            The row, how many calls failed, by the transport or by their status, and the longest time from a
            version's appearance until it served.
        """
        refused = self._refused()

        def without() -> float:
            quiet = bench.at_rate(self.server, "Predict", rate_per_s)
            self._failed += quiet.failed
            return quiet.p99_ms

        row = bench.compare(
            f"Predict, {rate_per_s:,} calls/s offered, around a swap to without: p99",
            "ms",
            lambda: self._p99_around_a_swap(bench, rate_per_s),
            without,
        )
        return row, {
            "failed calls around swaps": self._failed + self._refused() - refused,
            "new version serves after, s": max(self._swap_s),
        }

    def _p99_around_a_swap(self, bench: Bench, rate_per_s: int) -> float:
        """Returns the p99 from when a version appears to half a second after it serves, in milliseconds."""
        longer = replace(bench, seconds=max(bench.seconds, 8.0))
        with (
            ThreadPoolExecutor(1) as pool,
            grpc.insecure_channel(self.server.address) as channel,
        ):
            stub = pb_grpc.PredictionServiceStub(channel)
            request: Any = longer.requests["Predict"]
            serving = stub.Predict(request)
            staged, version = self._stage_version(serving)
            driving = pool.submit(longer.at_rate, self.server, "Predict", rate_per_s)
            time.sleep(2)  # one second of it is warm-up
            appeared_s = time.time()
            staged.rename(self._registry / serving.model / version)
            deadline_s = appeared_s + _TIMEOUT_S
            while stub.Predict(request).version != version:
                if time.time() > deadline_s:
                    raise RuntimeError(f"{serving.model} {version} was not swapped in")
                time.sleep(0.02)
            served_s = time.time()
            around = driving.result()
        self._failed += around.failed
        self._swap_s.append(served_s - appeared_s)
        if served_s > around.timeline[-1][0]:
            raise RuntimeError("the swap took longer than the load: give it more --seconds")
        return around.p99_ms_between(appeared_s, served_s + 0.5)

    def _stage_version(self, serving: pb.PredictResponse) -> tuple[Path, str]:
        """Writes the serving version once more, as the next one, beside the registry; returns where."""
        version = str(int(serving.version) + 1)
        artifact = load(self._registry / serving.model / serving.version)
        manifest = artifact.manifest.model_copy(update={"version": version})
        staged = self._registry.with_name("staged") / serving.model / version
        save(replace(artifact, manifest=manifest), staged)
        return staged, version

    def _refused(self) -> int:
        """Returns how many calls have ended with another status than OK."""
        return sum(calls_ended.failed(self._metrics_port).values())
