"""A real session, failures included, by two workers that log all they can: nothing of a listener, no secret.

The same session is traced into a real OTLP receiver.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc

SECRETS = ("secretlistener", "secrettrack", "secretgenre", "secrettoken", "secretpassword", "secretrequest")
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
METADATA = (
    ("authorization", "Bearer secrettoken"),
    ("x-listener", "secretlistener"),
    ("traceparent", f"00-{TRACE_ID}-b7ad6b7169203331-01"),
)


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        """Begins with nothing."""
        self.requests: list[trace_service_pb2.ExportTraceServiceRequest] = []

    def Export(self, request: Any, context: Any) -> trace_service_pb2.ExportTraceServiceResponse:
        """Keeps a request."""
        self.requests.append(request)
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    """An OTLP receiver, and where it listens."""
    receiver = Receiver()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield receiver, f"http://127.0.0.1:{port}"
    server.stop(None).wait()


# The server with a bug, whose error quotes the request.
WITH_A_BUG = """
from data import terminal
from server.cli import app
from server.service import PredictionService

predict = PredictionService.predict

def sometimes(self, model, track_id, genres, *others):
    if track_id == "secrettrack-bug":
        raise KeyError(f"{track_id} {genres}")
    return predict(self, model, track_id, genres, *others)

PredictionService.predict = sometimes
terminal.run(app)
"""


@pytest.fixture
def environment(tmp_path: Path, receiver: tuple[Receiver, str]) -> dict[str, str]:
    ours = ("PLAYTHROUGH_", "MONGODB_URI", "DATA_VERSION", "OTEL_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return inherited | {
        "MONGODB_URI": "mongodb://user:secretpassword@127.0.0.1:9/nowhere",
        "PLAYTHROUGH_DRAIN_GRACE_S": "2",
        "PLAYTHROUGH_VAR_DIR": str(tmp_path / "var"),
        "PLAYTHROUGH_LOG_LEVEL": "debug",
        "PLAYTHROUGH_LOG_FORMAT": "json",
        "PLAYTHROUGH_ACCESS_LOG_SAMPLE": "1",
        "PLAYTHROUGH_TRACING": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver[1],
        "OTEL_SERVICE_NAME": "ours",
    }


def session(address: str, track_id: str) -> set[str]:
    """Calls every method, well and badly, on a connection of its own; returns the names of the codes."""
    context = pb.ListenerContext(recent_plays=[pb.RecentPlay(track_id="secrettrack-heard", skipped=True)])
    play: dict[str, Any] = {"favourite_genres": ["secretgenre"], "context": context}
    too_many: dict[str, Any] = {"favourite_genres": ["secretgenre"] * 101}
    known, unknown = pb.QueuedTrack(track_id=track_id, duration_ms=1), pb.QueuedTrack(track_id="secrettrack")
    listener: dict[str, Any] = {"listener_id": "secretlistener", "request_id": "secretrequest"}
    requests: list[tuple[str, Any]] = [
        ("ListModels", pb.ListModelsRequest()),
        ("Predict", pb.PredictRequest(track_id=track_id, **play)),
        ("Predict", pb.PredictRequest(track_id="secrettrack-bug", **play)),
        ("Predict", pb.PredictRequest(track_id="secrettrack", model="secrettrack", **too_many)),
        ("PredictRandom", pb.PredictRandomRequest(track_id=track_id, **listener, **play)),
        ("PredictRandom", pb.PredictRandomRequest(track_id="secrettrack", **listener, **play)),
        ("PredictRandom", pb.PredictRandomRequest(track_id="secrettrack" * 99, **listener, **play)),
        ("RankTracks", pb.RankTracksRequest(track_ids=[track_id, "secrettrack"], **play)),
        ("RankTracks", pb.RankTracksRequest(track_ids=["secrettrack"], top_k=-1, **too_many)),
        ("PlanPrefetch", pb.PlanPrefetchRequest(playing=known, queue=[unknown], **play)),
        ("PlanPrefetch", pb.PlanPrefetchRequest(playing=unknown, **too_many)),
        ("RecordOutcome", pb.RecordOutcomeRequest(prediction_id="secretrequest")),
        ("RecordOutcome", pb.RecordOutcomeRequest(prediction_id="0" * 24, skipped=True)),
    ]
    codes = set()
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = pb_grpc.PredictionServiceStub(channel)
        for method, request in requests:
            codes.add(code_of(getattr(stub, method), request))
        garbage: Any = channel.unary_unary("/playthrough.v1.PredictionService/Predict")
        codes.add(code_of(garbage, b"\xffsecrettrack"))
        codes.add(code_of(channel.unary_unary("/playthrough.v1.PredictionService/secrettrack"), b""))
    return codes


def code_of(method: Any, request: Any) -> str:
    try:
        method(request, metadata=METADATA, timeout=60)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code.name
    return "OK"


@pytest.mark.parametrize(
    "start", [["-c", WITH_A_BUG], ["-m", "server", "--workers", "2"]], ids=["bug", "workers"]
)
def test_a_session_leaves_nothing_of_the_listener_and_no_secret_in_logs_and_traces(
    start: list[str],
    tmp_path: Path,
    environment: dict[str, str],
    receiver: tuple[Receiver, str],
    data_directory: Path,
    registry_directory: Path,
    track_ids: list[str],
) -> None:
    folders = ["--data", str(data_directory), "--models", str(registry_directory), "--port", "0"]
    log = tmp_path / "log"  # a pipe that nobody empties would stop the server
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, *start, *folders],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        codes = set.union(*(session(address, track_ids[0]) for _ in range(24)))
        process.terminate()
        process.communicate(timeout=120)
    finally:
        process.kill()
        process.communicate()
    written = log.read_text()
    traced = "".join(map(MessageToJson, receiver[0].requests))
    assert {"OK", "NOT_FOUND", "INVALID_ARGUMENT", "UNIMPLEMENTED"} <= codes
    assert ("INTERNAL" in codes) is ("-c" in start)
    for secret in SECRETS:
        assert secret not in written
        assert secret not in traced
    records = [json.loads(line) for line in written.splitlines()]  # one line each, and nothing else
    events = {record["event"] for record in records}
    assert {"call", "serving", "storage_unavailable", "stopped"} <= events
    assert ("call_failed" in events) is ("-c" in start)
    check_traces(receiver[0], workers=2 if "--workers" in start else 1)
    if "--workers" in start:
        assert {record.get("worker") for record in records if record["event"] == "call"} == {0, 1}
        assert {record.get("process") for record in records if "worker" not in record} == {None, "delivery"}


def check_traces(receiver: Receiver, workers: int) -> None:
    """Checks that every worker has sent the spans of the caller's trace, under the service's name."""
    pids, trace_ids, codes = set(), set(), set()
    for request in receiver.requests:
        for resource in request.resource_spans:
            said = {pair.key: pair.value for pair in resource.resource.attributes}
            assert said["service.name"].string_value == "ours"
            pids.add(said["process.pid"].int_value)
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                trace_ids.add(span.trace_id.hex())
                attributes = {pair.key: pair.value.string_value for pair in span.attributes}
                codes.add(attributes["rpc.response.status_code"])
    assert len(pids) == workers
    assert trace_ids == {TRACE_ID}
    assert {"OK", "NOT_FOUND", "INVALID_ARGUMENT"} <= codes
