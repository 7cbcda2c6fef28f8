"""Shows the counts to Prometheus.

Calls are counted in plain numbers (`server.call_counts`), and what has been added is carried over to
prometheus_client twice a second: a call would otherwise pay for several locks and, with several workers, for
several writes to memory that they share with the process that is scraped.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from server.call_counts import LATENCY_BOUNDS_S, CallCounts, Ending
from server.errors import StartError

_INTERVAL_S = 0.5
_BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class _BulkHistogram(Histogram):
    """A histogram that takes many observations at once."""

    def add(self, counts: Sequence[int], total: float) -> None:
        """Adds observations by bucket, and their sum."""
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)
        self._sum.inc(total)


class MetricsPublisher:
    """Carries one worker's counts over to prometheus_client.

    Attributes:
        registry: Where the metrics are, for one process alone.
    """

    def __init__(
        self,
        counts: CallCounts,
        batch_sizes: dict[int, int],
        *,
        spool_depth: Callable[[], int],
        models: Callable[[], tuple[int, int]],
    ) -> None:
        """Names the metrics.

        Args:
            counts: The calls.
            batch_sizes: Forward passes by size.
            spool_depth: Returns how many predictions wait for MongoDB.
            models: Returns how many versions are loaded, and how many failed.
        """
        self.registry = CollectorRegistry()
        self._counts, self._batch_sizes = counts, batch_sizes
        self._spool_depth, self._models = spool_depth, models
        self._published_calls: dict[Ending, tuple[list[int], float]] = {}
        self._published_batches: dict[int, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._make_metrics()

    def _make_metrics(self) -> None:
        self._calls = Counter(
            "playthrough_calls",
            "Calls that have ended, by method, model that answered and status code.",
            ("method", "model", "code"),
            registry=self.registry,
        )
        self._latency = _BulkHistogram(
            "playthrough_call_seconds",
            "Time from a call's arrival at its handler to its answer.",
            ("method",),
            buckets=LATENCY_BOUNDS_S,
            registry=self.registry,
        )
        self._batch = _BulkHistogram(
            "playthrough_batch_predictions",
            "Predictions that one forward pass answered.",
            buckets=_BATCH_BOUNDS,
            registry=self.registry,
        )
        self._in_flight = Gauge(
            "playthrough_calls_in_flight",
            "Calls under way.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._spool = Gauge(
            "playthrough_spool_predictions",
            "Logged predictions that wait for MongoDB.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._versions = Gauge(
            "playthrough_model_versions",
            "Model versions by state.",
            ("state",),
            registry=self.registry,
            multiprocess_mode="livemax",
        )

    def start(self) -> None:
        """Begins to publish in the background."""
        self._task = asyncio.create_task(self._run(), name="metrics")

    async def stop(self) -> None:
        """Publishes a last time."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self.publish()

    async def _run(self) -> None:
        while True:
            self.publish()
            await asyncio.sleep(_INTERVAL_S)

    def publish(self) -> None:
        """Carries over what has been added since the last time."""
        for ending, latencies in self._counts.ended.items():
            before, total_s = self._published_calls.get(ending, ([0] * len(latencies.counts), 0.0))
            added = [now - then for now, then in zip(latencies.counts, before, strict=True)]
            self._calls.labels(*ending).inc(sum(added))
            self._latency.labels(ending[0]).add(added, max(0.0, latencies.total_s - total_s))
            self._published_calls[ending] = (list(latencies.counts), latencies.total_s)
        for size, count in self._batch_sizes.items():
            self._add_batches(size, count - self._published_batches.get(size, 0))
            self._published_batches[size] = count
        self._in_flight.set(self._counts.in_flight)
        self._spool.set(self._spool_depth())
        for state, versions in zip(("loaded", "failed"), self._models(), strict=True):
            self._versions.labels(state).set(versions)

    def _add_batches(self, size: int, count: int) -> None:
        bucket = next((i for i, bound in enumerate(_BATCH_BOUNDS) if size <= bound), len(_BATCH_BOUNDS))
        counts = [0] * (len(_BATCH_BOUNDS) + 1)
        counts[bucket] = count
        self._batch.add(counts, size * count)


def serve_metrics(registry: CollectorRegistry, host: str, port: int) -> tuple[Callable[[], None], str]:
    """Answers scrapes over HTTP, from a thread of its own.

    Args:
        registry: What to show.
        host: Address to listen on.
        port: Port; 0 picks a free one.

    Returns:
        What ends it, and where it listens, as HOST:PORT.

    Raises:
        StartError: When the port is taken.
    """
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise StartError(f"cannot show metrics on {host}:{port}: {error.strerror or error}") from error

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop, f"{host}:{server.server_port}"


def registry_of_workers(directory: Path) -> CollectorRegistry:
    """Returns the sum of what the workers publish below a folder (their PROMETHEUS_MULTIPROC_DIR)."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))  # type: ignore[no-untyped-call]
    return registry


def forget_worker(pid: int, directory: Path) -> None:
    """Takes a worker that has ended out of the gauges; what it counted stays counted."""
    mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]
