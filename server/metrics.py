"""Shows the counts to Prometheus.

Calls are counted in plain numbers (`server.call_counts`), and what has been added is carried over to
prometheus_client twice a second: a call would otherwise pay for several locks and, with several workers, for
several writes to memory that they share with the process that is scraped.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from server.call_counts import LATENCY_BOUNDS_S, CallCounts, Ending
from server.errors import StartError


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
        *,
        models: Callable[[], tuple[int, int]],
    ) -> None:
        """Names the metrics.

        Args:
            counts: The calls.
            models: Returns how many versions are loaded, and how many failed.
        """
        self.registry = CollectorRegistry()
        self._counts = counts
        self._models = models
        self._published: dict[Ending, tuple[list[int], float]] = {}
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
        self._in_flight = Gauge(
            "playthrough_calls_in_flight",
            "Calls under way.",
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

    def publish(self) -> None:
        """Carries over what has been added since the last time."""
        for ending, latencies in self._counts.ended.items():
            before, total_s = self._published.get(ending, ([0] * len(latencies.counts), 0.0))
            added = [now - then for now, then in zip(latencies.counts, before, strict=True)]
            self._calls.labels(*ending).inc(sum(added))
            self._latency.labels(ending[0]).add(added, max(0.0, latencies.total_s - total_s))
            self._published[ending] = (list(latencies.counts), latencies.total_s)
        self._in_flight.set(self._counts.in_flight)
        for state, versions in zip(("loaded", "failed"), self._models(), strict=True):
            self._versions.labels(state).set(versions)


def serve_metrics(registry: CollectorRegistry, host: str, port: int) -> tuple[Callable[[], None], str]:
    """Answers scrapes over HTTP from a thread; returns what ends it, and where it listens, as HOST:PORT.

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
