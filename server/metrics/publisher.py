"""Carries one process's counts over to prometheus_client.

Calls are counted in plain numbers (`server.call_counts`), and what has been added is carried over twice a
second: a call would otherwise pay for several locks and, with several workers, for several writes to memory
that they share with the process that is scraped.
"""

import time
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from server.call_counts import LATENCY_BOUNDS_S, SCORE_BOUNDS, CallCounts, Tally
from server.metrics.snapshot import LATENCY, ModelState, Snapshot, TimedExemplar, write_snapshot

_LATENCIES = len(LATENCY_BOUNDS_S) + 1


class _BulkHistogram(Histogram):
    """A histogram that takes many observations at once."""

    def add(self, counts: Sequence[int], total: float) -> None:
        """Adds observations by bucket, and their sum."""
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)
        self._sum.inc(total)


class MetricsPublisher:
    """Carries one process's counts over to prometheus_client.

    Attributes:
        registry: Where the numbers are, for one process alone.
        snapshot: What else there is to show.
    """

    def __init__(
        self,
        counts: CallCounts,
        *,
        models: Callable[[], Sequence[ModelState]],
        certificate_expires_at: Callable[[], float] | None = None,
        directory: Path | None = None,
    ) -> None:
        """Names the metrics.

        Args:
            counts: The calls.
            models: Returns the models that there are now.
            certificate_expires_at: Returns the Unix time when the port's certificate ends; None without TLS.
            directory: Where a worker leaves its snapshot to its parent; None without a parent.
        """
        self.registry = CollectorRegistry()
        self.snapshot = Snapshot()
        self._counts, self._models, self._directory = counts, models, directory
        self._certificate_expires_at = certificate_expires_at
        self._published: dict[Hashable, tuple[Sequence[int], float]] = {}
        self._published_shed: dict[str, int] = {}
        self._name_call_metrics()
        self._name_other_metrics()

    def _name_call_metrics(self) -> None:
        self._calls = Counter(
            "playthrough_calls",
            "Calls that have ended, by method, model that answered, status code and kind of the caller.",
            ("method", "model", "code", "caller"),
            registry=self.registry,
        )
        self._latency = _BulkHistogram(
            LATENCY,
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
        self._shed = Counter(
            "playthrough_calls_shed",
            "Calls that were refused for want of room or time, by reason.",
            ("reason",),
            registry=self.registry,
        )

    def _name_other_metrics(self) -> None:
        self._lag = _BulkHistogram(
            "playthrough_loop_lag_seconds",
            "How late the event loop came to what it was to do at a given time.",
            buckets=LATENCY_BOUNDS_S,
            registry=self.registry,
        )
        self._scores = _BulkHistogram(
            "playthrough_play_through_probability",
            "What Predict and PredictRandom answered, by model.",
            ("model",),
            buckets=SCORE_BOUNDS,
            registry=self.registry,
        )
        self._versions = Gauge(
            "playthrough_model_versions",
            "Model versions by state.",
            ("state",),
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        if self._certificate_expires_at is not None:
            self._certificate = Gauge(
                "playthrough_certificate_expires_timestamp_seconds",
                "Unix time when the server's certificate ends, in the worker in which that is soonest.",
                registry=self.registry,
                multiprocess_mode="livemin",
            )

    def publish(self) -> None:
        """Carries over what has been added since the last time."""
        for ending, latencies in self._counts.ended.items():
            added, seconds = self._added(ending, latencies)
            self._calls.labels(*ending).inc(sum(added))
            self._latency.labels(ending[0]).add(added, seconds)
        for model, scores in self._counts.scores.items():
            self._scores.labels(model).add(*self._added(model, scores))
        self._lag.add(*self._added("loop lag", self._counts.loop_lag))
        for reason, count in self._counts.shed.items():
            self._shed.labels(reason).inc(count - self._published_shed.get(reason, 0))
        self._published_shed = dict(self._counts.shed)
        self._in_flight.set(self._counts.in_flight)
        if self._certificate_expires_at is not None:
            self._certificate.set(self._certificate_expires_at())
        self._publish_snapshot()

    def _added(self, key: Hashable, tally: Tally) -> tuple[list[int], float]:
        """Returns what was added to a tally since the last time, by bucket, and the sum of that."""
        before, total = self._published.get(key, ([0] * len(tally.counts), 0.0))
        added = [now - then for now, then in zip(tally.counts, before, strict=True)]
        self._published[key] = list(tally.counts), tally.total
        return added, max(0.0, tally.total - total)

    def _publish_snapshot(self) -> None:
        models = list(self._models())
        failed = sum(model.state == "failed" for model in models)
        self._versions.labels("loaded").set(len(models) - failed)
        self._versions.labels("failed").set(failed)
        exemplars = {method: list(latest) for method, latest in self.snapshot.exemplars.items()}
        for (method, bucket), (exemplar_id, seconds) in self._counts.exemplars.items():
            latest = exemplars.setdefault(method, [None] * _LATENCIES)
            latest[bucket] = TimedExemplar(exemplar_id, seconds, time.time())
        self._counts.exemplars.clear()
        snapshot = Snapshot(models, exemplars)
        if self._directory is not None and snapshot != self.snapshot:
            write_snapshot(self._directory, snapshot)
        self.snapshot = snapshot
