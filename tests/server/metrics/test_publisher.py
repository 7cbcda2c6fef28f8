import asyncio
import socket
import time
import urllib.request
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from playthrough.v1 import prediction_service_pb2 as pb
from server import app
from server.call_counts import CallCounts
from server.errors import StartError
from server.metrics.page import serve_metrics
from server.metrics.publisher import MetricsPublisher
from server.metrics.snapshot import ModelState
from server.settings import ServerSettings
from tests.authority import Authority, write_pair
from tests.server.ports import free_ports

Serving = Callable[..., AbstractAsyncContextManager[Any]]


def samples(publisher: MetricsPublisher) -> dict[tuple[str, ...], float]:
    """Returns what a scrape would see, by name and label values."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for metric in publisher.registry.collect()
        for sample in metric.samples
    }


@pytest.fixture
def counts() -> CallCounts:
    return CallCounts()


@pytest.fixture
def publisher(counts: CallCounts) -> MetricsPublisher:
    versions = [ModelState("simple", str(version), "d", "standby", 1.0) for version in range(3)]
    failed = ModelState("simple", "3", "", "failed")
    return MetricsPublisher(counts, models=lambda: [*versions, failed])


def test_what_is_counted_is_published_once(publisher: MetricsPublisher, counts: CallCounts) -> None:
    for seconds in (0.0007, 0.0007, 60.0):
        counts.add(("Predict", "simple", "OK", "token"), seconds)
    counts.add(("Predict", "", "NOT_FOUND", "anonymous"), 0.0001)
    counts.in_flight = 2
    counts.shed["in_flight"] += 1
    counts.shed["loop_lag"] = 2
    for probability in (0.0, 0.05, 0.06, 1.0):
        counts.add_score("simple", probability)
    counts.loop_lag.add(0.03)
    publisher.publish()
    publisher.publish()  # nothing new: nothing added
    seen = samples(publisher)
    assert seen["playthrough_calls_total", "token", "OK", "Predict", "simple"] == 3
    assert seen["playthrough_calls_total", "anonymous", "NOT_FOUND", "Predict", ""] == 1
    assert seen["playthrough_call_seconds_count", "Predict"] == 4
    assert seen["playthrough_call_seconds_sum", "Predict"] == pytest.approx(60.0015)
    assert seen["playthrough_call_seconds_bucket", "0.001", "Predict"] == 3
    assert seen["playthrough_call_seconds_bucket", "2.5", "Predict"] == 3
    assert seen["playthrough_calls_in_flight",] == 2
    assert seen["playthrough_calls_shed_total", "in_flight"] == 1
    assert seen["playthrough_calls_shed_total", "loop_lag"] == 2
    assert seen["playthrough_play_through_probability_bucket", "0.05", "simple"] == 2
    assert seen["playthrough_play_through_probability_bucket", "0.1", "simple"] == 3
    assert seen["playthrough_play_through_probability_bucket", "1.0", "simple"] == 4
    assert seen["playthrough_play_through_probability_sum", "simple"] == pytest.approx(1.11)
    assert seen["playthrough_loop_lag_seconds_bucket", "0.025"] == 0
    assert seen["playthrough_loop_lag_seconds_bucket", "0.05"] == 1
    assert seen["playthrough_model_versions", "loaded"] == 3
    assert seen["playthrough_model_versions", "failed"] == 1


async def test_a_running_server_shows_its_calls(serving: Serving, track_ids: list[str]) -> None:
    (port,) = free_ports(1)
    async with serving(metrics_port=port) as stub:
        await stub.Predict(pb.PredictRequest(model="simple", track_id=track_ids[0]))
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.Predict(pb.PredictRequest(model="a name that a caller made up", track_id=track_ids[0]))
        async with asyncio.timeout(30):
            while True:
                page = await asyncio.to_thread(_read, f"http://127.0.0.1:{port}/metrics")
                if 'code="NOT_FOUND"' in page:
                    break
                await asyncio.sleep(0.05)
    families = {family.name: family for family in text_string_to_metric_families(page)}
    calls = {
        tuple(sample.labels[name] for name in ("method", "model", "code", "caller")): sample.value
        for sample in families["playthrough_calls"].samples
        if sample.name.endswith("_total")
    }
    assert calls["Predict", "simple", "OK", "anonymous"] == 1
    assert calls["Predict", "", "NOT_FOUND", "anonymous"] == 1
    (score,) = [
        it for it in families["playthrough_play_through_probability"].samples if it.name.endswith("_count")
    ]
    assert (score.labels, score.value) == ({"model": "simple"}, 1)
    assert "made up" not in page  # callers cannot make up label values


async def test_a_running_server_shows_which_versions_serve_stand_by_and_failed(
    serving: Serving, registry_directory: Path, save_model: Callable[[Path, str, str], None]
) -> None:
    save_model(registry_directory, "simple", "2")
    (registry_directory / "simple" / "3").mkdir()
    (registry_directory / "simple" / "3" / "manifest.json").write_text("{}")
    (port,) = free_ports(1)
    expected = [
        ("advanced", "1", "serving"),
        ("simple", "1", "standby"),
        ("simple", "2", "serving"),
        ("simple", "3", "failed"),
    ]
    async with serving(metrics_port=port, registry_poll_s=0.05), asyncio.timeout(60):
        found: list[tuple[str, ...]] = []
        while found != expected:
            page = await asyncio.to_thread(_read, f"http://127.0.0.1:{port}/metrics")
            families = {family.name: family for family in text_string_to_metric_families(page)}
            infos = [it.labels for it in families["playthrough_model_info"].samples]
            found = sorted((it["model"], it["version"], it["state"]) for it in infos)
            await asyncio.sleep(0.05)
    assert {it["digest"] != "" for it in infos if it["state"] != "failed"} == {True}
    loaded = families["playthrough_model_loaded_timestamp_seconds"].samples
    assert {(it.labels["model"], it.labels["version"]) for it in loaded} == {it[:2] for it in expected[:3]}
    assert all(abs(it.value - time.time()) < 3_600 for it in loaded)


async def test_the_end_of_the_certificate_is_shown_and_follows_its_renewal(
    settings: ServerSettings, tmp_path: Path
) -> None:
    authority, (port,) = Authority("authority"), free_ports(1)
    write_pair(tmp_path, authority.sign("server", until=timedelta(days=3)))
    async with app.running(settings.model_copy(update={"metrics_port": port, "tls_dir": tmp_path})):
        await until_certificate_ends_in(timedelta(days=3), port)
        write_pair(tmp_path, authority.sign("server", until=timedelta(days=9)))
        await until_certificate_ends_in(timedelta(days=9), port)


async def test_without_tls_no_certificate_ends(serving: Serving) -> None:
    (port,) = free_ports(1)
    async with serving(metrics_port=port):
        assert "certificate" not in await asyncio.to_thread(_read, f"http://127.0.0.1:{port}/metrics")


async def until_certificate_ends_in(left: timedelta, port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            page = await asyncio.to_thread(_read, f"http://127.0.0.1:{port}/metrics")
            families = {family.name: family for family in text_string_to_metric_families(page)}
            (shown,) = families["playthrough_certificate_expires_timestamp_seconds"].samples
            if abs(shown.value - time.time() - left.total_seconds()) < 3_600:
                return
            await asyncio.sleep(0.05)


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode()
    return text


def test_a_busy_metrics_port_is_said_in_a_line(publisher: MetricsPublisher) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StartError, match="cannot show metrics on"):
            serve_metrics(publisher.registry, "127.0.0.1", taken.getsockname()[1])
