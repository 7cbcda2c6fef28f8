"""The page that Prometheus reads: what one process counts, or several workers together."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar, Sample

from server.call_counts import LATENCY_BOUNDS_S
from server.errors import StartError
from server.metrics.delivery import DeliveryCollector
from server.metrics.publisher import MetricsPublisher
from server.metrics.snapshot import (
    LATENCY,
    Exemplars,
    Snapshot,
    forget_snapshot,
    latest_exemplars,
    read_snapshots,
)
from server.metrics.spool import SpoolCollector
from server.settings import ServerSettings

_BUCKETS = {bound: index for index, bound in enumerate((*LATENCY_BOUNDS_S, float("inf")))}

_log = structlog.get_logger("server.metrics")


class _Page(Collector):
    """The numbers, with what the snapshots add."""

    def __init__(
        self, numbers: Callable[[], Iterable[Metric]], snapshots: Callable[[], Iterable[Snapshot]]
    ) -> None:
        self._numbers, self._snapshots = numbers, snapshots

    def collect(self) -> Iterator[Metric]:
        """Yields the metrics."""
        snapshots = list(self._snapshots())
        exemplars = latest_exemplars(snapshots)
        for metric in self._numbers():
            if metric.name == LATENCY:
                metric.samples = [_with_exemplar(sample, exemplars) for sample in metric.samples]
            yield metric
        yield from _model_families(snapshots)


def show_own(settings: ServerSettings, publisher: MetricsPublisher, stack: AsyncExitStack) -> None:
    """Shows what this process counts until a stack is closed.

    Raises:
        StartError: When the port is taken.
    """
    _show(settings, _Page(publisher.registry.collect, lambda: [publisher.snapshot]), stack)


def show_workers(settings: ServerSettings, directory: Path, stack: AsyncExitStack) -> None:
    """Shows what workers leave in a folder (their PROMETHEUS_MULTIPROC_DIR) until a stack is closed.

    Raises:
        StartError: When the port is taken.
    """
    sums = MultiProcessCollector(None, path=str(directory))  # type: ignore[no-untyped-call]
    _show(settings, _Page(sums.collect, lambda: read_snapshots(directory)), stack)


def forget_worker(pid: int, directory: Path) -> None:
    """Takes a worker that has ended out of what is true now; what it counted stays counted."""
    mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]
    forget_snapshot(pid, directory)


def _show(settings: ServerSettings, page: _Page, stack: AsyncExitStack) -> None:
    registry = CollectorRegistry()
    for collector in (
        page,
        SpoolCollector(settings.spool_directory),
        DeliveryCollector(settings.spool_directory),
    ):
        registry.register(collector)
    assert settings.metrics_port is not None
    stop, address = serve_metrics(registry, settings.metrics_host, settings.metrics_port)
    stack.push_async_callback(asyncio.to_thread, stop)
    _log.info("metrics", address=address)


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


def _with_exemplar(sample: Sample, exemplars: Exemplars) -> Sample:
    """Returns a sample with the latest call of its bucket, if it is a bucket and there is one with an id."""
    latest = exemplars.get(sample.labels["method"])
    if latest is None or "le" not in sample.labels:
        return sample
    found = latest[_BUCKETS[float(sample.labels["le"])]]
    if found is None:
        return sample
    return sample._replace(exemplar=Exemplar({"trace_id": found.id}, found.seconds, found.at))


def _model_families(snapshots: list[Snapshot]) -> Iterator[GaugeMetricFamily]:
    """Yields which models there are; what several workers have is shown once."""
    models = {model for snapshot in snapshots for model in snapshot.models}
    labels = ("model", "version", "digest", "state")
    info = GaugeMetricFamily("playthrough_model_info", "Versions of models; always 1.", labels=labels)
    for identity in sorted({(it.model, it.version, it.digest, it.state) for it in models}):
        info.add_metric(identity, 1)
    yield info
    loaded = GaugeMetricFamily(
        "playthrough_model_loaded_timestamp_seconds",
        "Unix time when a version was loaded, by the first worker that has it.",
        labels=labels[:2],
    )
    times: dict[tuple[str, str], float] = {}
    for it in sorted(models, key=lambda it: it.loaded_at, reverse=True):
        if it.state != "failed":
            times[it.model, it.version] = it.loaded_at
    for version, loaded_at in sorted(times.items()):
        loaded.add_metric(version, loaded_at)
    yield loaded
