"""Shows Prometheus the state of the spool and of its delivery, as the spool file has it at each scrape."""

import time
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from server.errors import StartError
from server.log.spool.rows import Kind, Reason
from server.log.spool.status import SpoolStatus, read_status, size_bytes


class SpoolCollector(Collector):
    """Reads the spool at each scrape, whichever process writes it."""

    def __init__(self, directory: Path) -> None:
        """Names the spool's folder."""
        self._directory = directory

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yields the metrics without values, so that nothing is read before the first scrape."""
        yield from _families(SpoolStatus(), 0)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields the metrics; none while the spool cannot be read."""
        try:
            status = read_status(self._directory)
            n_bytes = size_bytes(self._directory)
        except (StartError, OSError):
            return
        yield from _families(status, n_bytes)


def _families(status: SpoolStatus, n_bytes: int) -> Iterator[GaugeMetricFamily]:
    waiting = {"prediction": status.waiting, "outcome": status.waiting_outcomes}
    oldest_s = 0.0 if status.oldest is None else max(0.0, time.time() - status.oldest.timestamp())
    away_since_s = 0.0 if status.away_since is None else status.away_since.timestamp()
    conflict = (Kind.OUTCOME.value, Reason.CONFLICT.value)
    dead = {letter: n for letter, n in status.dead.items() if letter != conflict}
    yield _labelled("spool_waiting", "Records that MongoDB does not have yet.", ("kind",), waiting)
    yield GaugeMetricFamily(
        "playthrough_spool_oldest_seconds", "Age of the oldest record that waits; 0 without one.", oldest_s
    )
    yield GaugeMetricFamily(
        "playthrough_spool_bytes", "Size of the spool on disk, with what it can use again.", n_bytes
    )
    yield _labelled("spool_dead_letters", "Records that were given up.", ("kind", "reason"), dead)
    yield GaugeMetricFamily(
        "playthrough_outcome_conflicts",
        "Outcomes of predictions that had another one first.",
        status.dead.get(conflict, 0),
    )
    yield GaugeMetricFamily(
        "playthrough_delivery_running", "Whether a delivery process runs.", float(status.delivering)
    )
    yield GaugeMetricFamily(
        "playthrough_mongodb_away_since_seconds",
        "Unix time since when delivery finds no MongoDB; 0 while it does.",
        away_since_s,
    )


def _labelled(
    name: str, text: str, labels: tuple[str, ...], values: dict[str, int] | dict[tuple[str, str], int]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"playthrough_{name}", text, labels=labels)
    for label, value in values.items():
        family.add_metric([label] if isinstance(label, str) else list(label), value)
    return family
