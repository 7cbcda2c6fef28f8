"""Spans of calls: whose trace they belong to, what they say, and a collector that is away."""

import asyncio
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1.prediction_service_pb2_grpc import PredictionServiceStub
from server import tracing
from server.app import running
from server.errors import StartError
from server.service import PredictionService
from server.settings import ServerSettings
from server.start_checks import check_start
from server.supervisor import supervising
from server.tracing import Tracer
from tests.server.ports import free_ports

TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
METHOD = "playthrough.v1.PredictionService"


def traceparent(flags: str) -> tuple[str, str]:
    return "traceparent", f"00-{TRACE_ID}-{PARENT_ID}-{flags}"


@pytest.fixture(autouse=True)
def _no_sender_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Waits for the threads that send: one that still retries would disturb tests that own the randomness."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("OtelBatch"):
            thread.join()


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Where the server's spans go."""
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(tracing, "OTLPSpanExporter", lambda: exporter)
    return exporter


async def trailing(call: Any) -> dict[str, str | bytes]:
    await call.code()
    return {key: value for key, value in await call.trailing_metadata()}


async def test_a_sampled_trace_is_followed_and_the_answer_names_it(
    serving: Callable[..., Any], exporter: InMemorySpanExporter, track_ids: list[str]
) -> None:
    request = pb.PredictRequest(model="simple", track_id=track_ids[0], favourite_genres=["rock"])
    async with serving(tracing=True) as stub:
        call = stub.Predict(request, metadata=(traceparent("01"),))
        assert (await trailing(call))["x-request-id"] == TRACE_ID
    (span,) = exporter.get_finished_spans()
    assert span.context is not None
    assert span.parent is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE_ID, PARENT_ID)
    assert (span.name, span.kind) == (f"{METHOD}/Predict", SpanKind.SERVER)
    assert dict(span.attributes or {}) == {
        "rpc.system.name": "grpc",
        "rpc.method": f"{METHOD}/Predict",
        "rpc.response.status_code": "OK",
        "playthrough.call_id": TRACE_ID,
        "playthrough.model": "simple",
        "playthrough.version": "1",
    }
    assert span.resource.attributes["service.name"] == "playthrough"
    assert (span.start_time or 0) < (span.end_time or 0)


async def test_a_caller_that_does_not_sample_is_not_traced(
    serving: Callable[..., Any], exporter: InMemorySpanExporter
) -> None:
    async with serving(tracing=True) as stub:
        call = stub.ListModels(pb.ListModelsRequest(), metadata=(traceparent("00"),))
        assert (await trailing(call))["x-request-id"] == TRACE_ID  # its trace has it, if not from us
    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize(("ratio", "spans"), [("0", 0), ("1", 20)])
async def test_the_standard_variables_choose_how_many_traces_begin_here(
    serving: Callable[..., Any],
    exporter: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
    ratio: str,
    spans: int,
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", ratio)
    async with serving(tracing=True) as stub:
        for _ in range(20):
            await stub.ListModels(pb.ListModelsRequest())
    assert len(exporter.get_finished_spans()) == spans


async def test_a_broken_traceparent_begins_a_trace_of_our_own(
    serving: Callable[..., Any], exporter: InMemorySpanExporter
) -> None:
    broken = ("", "00", "00-zz-zz-01", "ff-" + "0" * 60, "x" * 5_000)
    async with serving(tracing=True) as stub:
        for parent in broken:
            await stub.ListModels(pb.ListModelsRequest(), metadata=(("traceparent", parent),))
    spans = exporter.get_finished_spans()
    assert [span.parent for span in spans] == [None] * len(broken)
    assert len({span.context.trace_id for span in spans if span.context}) == len(broken)


@pytest.mark.parametrize("state", ["vendor=secret-listener", "secret-listener", "a=1,a=secret-listener"])
async def test_what_a_caller_puts_beside_its_traceparent_is_neither_exported_nor_logged(
    serving: Callable[..., Any],
    exporter: InMemorySpanExporter,
    caplog: pytest.LogCaptureFixture,
    state: str,
) -> None:
    async with serving(tracing=True) as stub:
        sent = (traceparent("01"), ("tracestate", state), ("baggage", "listener=secret-listener"))
        await stub.ListModels(pb.ListModelsRequest(), metadata=sent)
    (span,) = exporter.get_finished_spans()
    assert "secret" not in span.to_json() + caplog.text


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_scrape_leads_from_a_latency_to_its_trace(
    settings: ServerSettings, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """The collector is away: what a scrape shows does not depend on it."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    (port,) = free_ports(1)
    wanted = {"tracing": True, "metrics_port": port, "workers": workers}
    run = running if workers == 1 else supervising
    async with (
        asyncio.timeout(60),
        run(settings.model_copy(update=wanted)) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        stub: Any = PredictionServiceStub(channel)
        unsampled = f"00-{'1' * 32}-{PARENT_ID}-00"
        await stub.ListModels(pb.ListModelsRequest(), metadata=(("traceparent", unsampled),))
        await stub.ListModels(pb.ListModelsRequest(), metadata=(traceparent("01"),))
        while not (ids := await asyncio.to_thread(exemplars_of, port)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert ids == {TRACE_ID}


def exemplars_of(port: int) -> set[str]:
    """The ids of the traces that a scrape shows beside the latencies."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        families = text_string_to_metric_families(answer.read().decode())  # type: ignore[no-untyped-call]
    samples = [sample for family in families for sample in family.samples if sample.exemplar]
    assert {sample.name for sample in samples} <= {"playthrough_call_seconds_bucket"}
    return {sample.exemplar.labels["trace_id"] for sample in samples}


async def test_only_the_servers_failures_are_errors_and_none_says_what_was_asked(
    serving: Callable[..., Any], exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("secret-track")

    async with serving(tracing=True) as stub:
        calls = [stub.Predict(pb.PredictRequest(track_id="secret-track", favourite_genres=["secret-genre"]))]
        await calls[0].code()
        monkeypatch.setattr(PredictionService, "predict", fail)
        calls.append(stub.Predict(pb.PredictRequest(track_id="secret-track")))
        assert [await call.code() for call in calls] == [
            grpc.StatusCode.NOT_FOUND,
            grpc.StatusCode.INTERNAL,
        ]
        ids = [(await trailing(call))["x-request-id"] for call in calls]
    unknown, failed = exporter.get_finished_spans()
    assert (unknown.status.status_code, failed.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)
    assert [(span.attributes or {})["playthrough.call_id"] for span in (unknown, failed)] == ids
    assert (failed.attributes or {})["error.type"] == "INTERNAL"
    assert "secret" not in unknown.to_json() + failed.to_json()


async def test_a_call_that_the_gate_refuses_leaves_no_span(
    serving: Callable[..., Any], exporter: InMemorySpanExporter
) -> None:
    async with serving(tracing=True, max_in_flight=0) as stub:
        call = stub.RankTracks(pb.RankTracksRequest(), metadata=(traceparent("01"),))
        assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize("listens", [True, False])
async def test_a_collector_that_is_dead_or_hangs_fails_no_call_and_does_not_keep_the_server(
    serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, listens: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hung:
        port = hung.getsockname()[1]
        if not listens:
            hung.close()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "20")
        monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
        async with serving(tracing=True, drain_grace_s=0.1) as stub:
            codes = []
            for _ in range(2):  # a connection has fewer than 200 calls under way
                calls = [stub.ListModels(pb.ListModelsRequest()) for _ in range(100)]
                codes += [await call.code() for call in calls]
    assert codes == [grpc.StatusCode.OK] * 200


class HungExporter(SpanExporter):
    """Takes one batch and never comes back with it, until it is let go."""

    def __init__(self) -> None:
        """Hangs from the first batch on."""
        self.hangs, self.let_go = threading.Event(), threading.Event()
        self.batches: list[int] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.batches.append(len(spans))
        self.hangs.set()
        self.let_go.wait()
        return SpanExportResult.SUCCESS


async def test_spans_that_nobody_takes_are_dropped_and_the_end_does_not_wait_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "20")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
    exporter = HungExporter()
    tracer = Tracer(exporter)

    def trace(calls: int) -> None:
        for _ in range(calls):
            span = tracer.begin("Predict", {})
            assert span is not None
            span.end("OK", {})

    trace(10)
    await asyncio.to_thread(exporter.hangs.wait)
    trace(500)
    await tracer.close(0.01)  # returns although the exporter still hangs
    assert not exporter.let_go.is_set()
    exporter.let_go.set()
    assert sum(exporter.batches) <= 10 + 20


def test_variables_that_make_no_sense_refuse_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "1")
    with pytest.raises(StartError, match="tracing: "):
        Tracer(InMemorySpanExporter())


def test_without_the_extra_the_start_is_refused_with_what_to_install(
    settings: ServerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.start_checks.find_spec", lambda name: None)
    check_start(settings)
    with pytest.raises(StartError, match=r"pip install 'playthrough\[tracing\]'"):
        check_start(settings.model_copy(update={"tracing": True}))


def test_a_server_that_does_not_trace_never_imports_opentelemetry() -> None:
    script = "import sys, server.app, server.supervisor; sys.exit('opentelemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
