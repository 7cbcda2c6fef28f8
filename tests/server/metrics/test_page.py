"""The page of several workers: sums, what is true now of those that live, and calls that stand for others."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from server.call_counts import CallCounts
from server.metrics.page import _Page, forget_worker, serve_metrics
from server.metrics.publisher import MetricsPublisher
from server.metrics.snapshot import ModelState, read_snapshots

WORKER = """
import sys
from pathlib import Path
from server.call_counts import CallCounts
from server.metrics.publisher import MetricsPublisher
from server.metrics.snapshot import ModelState
version, directory = sys.argv[1:]
counts = CallCounts(in_flight=3)
models = [ModelState("simple", version, "d" + version, "serving", 100.0 * int(version))]
models.append(ModelState("simple", "1", "d1", "standby", 90.0 + int(version)))
expires_at = lambda: 1000.0 * int(version)
publisher = MetricsPublisher(
    counts, models=lambda: models, certificate_expires_at=expires_at, directory=Path(directory)
)
counts.add(("Predict", "simple", "OK", "token"), 0.002, "trace-" + version)
counts.shed["in_flight"] += 1
counts.add_score("simple", 0.5)
counts.loop_lag.add(0.3)
publisher.publish()
print("published", flush=True)
sys.stdin.read()
"""


@contextmanager
def worker(version: str, directory: Path) -> Iterator[int]:
    """A worker's process, which has published, for the duration of a block; yields its pid."""
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, version, str(directory)],
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(directory)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "published\n"
        yield process.pid
        process.communicate()


def page_of(registry: CollectorRegistry) -> list[Metric]:
    """What Prometheus gets, which asks for the format that has exemplars."""
    stop, address = serve_metrics(registry, "127.0.0.1", 0)
    request = urllib.request.Request(
        f"http://{address}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        text: str = answer.read().decode()
    stop()
    return list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


def scrape(directory: Path) -> tuple[dict[tuple[str, ...], float], dict[str, str]]:
    """Returns the values by name and labels, in the order of their names, and exemplars' ids by bucket."""
    registry = CollectorRegistry()
    sums = MultiProcessCollector(None, path=str(directory))  # type: ignore[no-untyped-call]
    registry.register(_Page(sums.collect, lambda: read_snapshots(directory)))
    samples = [it for family in page_of(registry) for it in family.samples]
    exemplars = {it.labels["le"]: it.exemplar.labels["trace_id"] for it in samples if it.exemplar}
    return {
        (it.name, *(value for _, value in sorted(it.labels.items()))): it.value for it in samples
    }, exemplars


def test_workers_are_summed_and_one_that_has_ended_leaves_what_it_counted(tmp_path: Path) -> None:
    with worker("2", tmp_path) as first:
        with worker("3", tmp_path) as second:
            both, exemplars = scrape(tmp_path)
            assert exemplars == {"0.0025": "trace-3"}  # the later one
        forget_worker(second, tmp_path)
        one, left = scrape(tmp_path)
        assert left == {"0.0025": "trace-2"}
    forget_worker(first, tmp_path)
    none, _ = scrape(tmp_path)
    counted = {
        ("playthrough_calls_total", "token", "OK", "Predict", "simple"): 2,
        ("playthrough_calls_shed_total", "in_flight"): 2,
        ("playthrough_call_seconds_bucket", "0.0025", "Predict"): 2,
        ("playthrough_play_through_probability_bucket", "0.5", "simple"): 2,
        ("playthrough_loop_lag_seconds_bucket", "0.5"): 2,
    }
    for seen in (both, one, none):
        assert {key: seen[key] for key in counted} == counted
    now = {
        ("playthrough_calls_in_flight",): (6, 3),
        ("playthrough_certificate_expires_timestamp_seconds",): (2000, 2000),
        ("playthrough_model_versions", "loaded"): (2, 2),
        ("playthrough_model_info", "d1", "simple", "standby", "1"): (1, 1),
        ("playthrough_model_info", "d2", "simple", "serving", "2"): (1, 1),
        ("playthrough_model_info", "d3", "simple", "serving", "3"): (1, None),
        ("playthrough_model_loaded_timestamp_seconds", "simple", "1"): (92, 92),
        ("playthrough_model_loaded_timestamp_seconds", "simple", "3"): (300, None),
    }
    assert {key: (both.get(key), one.get(key)) for key in now} == now
    assert not none.keys() & now.keys()
    assert not list(tmp_path.glob("snapshot_*"))


@pytest.fixture
def counts() -> CallCounts:
    return CallCounts()


@pytest.fixture
def own_page(counts: CallCounts) -> Callable[[], list[Metric]]:
    """Publishes, and returns the page of one process alone."""
    publisher = MetricsPublisher(counts, models=lambda: [ModelState("simple", "1", "d", "serving", 5.0)])
    registry = CollectorRegistry()
    registry.register(_Page(publisher.registry.collect, lambda: [publisher.snapshot]))

    def page() -> list[Metric]:
        publisher.publish()
        return page_of(registry)

    return page


def test_a_bucket_keeps_its_latest_call_with_an_id(
    counts: CallCounts, own_page: Callable[[], list[Metric]]
) -> None:
    ending = ("Predict", "simple", "OK", "anonymous")
    for exemplar_id, seconds in (("a", 0.002), ("b", 0.0021), ("", 0.0022), ("c", 60.0)):
        counts.add(ending, seconds, exemplar_id)
    counts.add(("RankTracks", "simple", "OK", "anonymous"), 0.002)
    shown = {("Predict", "0.0025"): ("b", 0.0021), ("Predict", "+Inf"): ("c", 60.0)}
    assert exemplars(own_page()) == shown
    assert exemplars(own_page()) == shown  # nothing new: they stay
    counts.add(ending, 0.0022, "d")
    assert exemplars(own_page()) == shown | {("Predict", "0.0025"): ("d", 0.0022)}


def exemplars(page: list[Metric]) -> dict[tuple[str, str], tuple[str, float]]:
    return {
        (it.labels["method"], it.labels["le"]): (it.exemplar.labels["trace_id"], it.exemplar.value)
        for family in page
        for it in family.samples
        if it.exemplar
    }
