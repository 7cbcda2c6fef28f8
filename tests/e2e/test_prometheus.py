"""Every expression of the dashboard and the alerts, run by a real Prometheus over a server under load."""

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

from deploy.grafana.dashboard import FILE
from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from tests.authority import Authority, write_pair
from tests.e2e.conftest import Serving, Trained
from tests.paths import DOCS, ROOT

FOLDER = ROOT / "deploy" / "prometheus"
PANELS = [
    target["expr"]
    for panel in json.loads(FILE.read_text(encoding="utf-8"))["panels"]
    for target in panel.get("targets", [])
]
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
OURS = "playthrough_"
DOCUMENTED = {
    name.removesuffix("_total")
    for name in re.findall(r"^\| `(playthrough_\w+)` \|", (DOCS / "operations.md").read_text(), re.MULTILINE)
}
# Of a server that is well: nothing was given up, all is logged, and there is no process without models.
EMPTY = {"PlaythroughNoModel", "PlaythroughDeadLetters", "PlaythroughSpoolRefuses"} | {
    each for each in PANELS if each.startswith("sum by (kind, reason) (playthrough_spool_dead_letters{")
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Prometheus:
    """A Prometheus that answers queries."""

    def __init__(self, port: int) -> None:  # noqa: D107
        self._url = f"http://127.0.0.1:{port}/api/v1/"

    def get(self, path: str, **query: str) -> Any:
        url = f"{self._url}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=30) as answer:  # a wrong expression is an error here
            told = json.load(answer)
        assert told["status"] == "success", told
        return told["data"]

    def series(self, expression: str) -> list[Any]:
        result: list[Any] = self.get("query", query=expression)["result"]
        return result


@contextmanager
def prometheus(target: str, folder: Path) -> Iterator[Prometheus]:
    """Runs Prometheus with our configuration, a hundredth as slow, on one target."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (Debian's package prometheus)")
    configuration = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["rule_files"] = [str(FOLDER / name) for name in configuration["rule_files"]]
    configuration["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    folder.mkdir()
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    port = free_port()
    command = [program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage"]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stderr=log, stdout=log) as process:
        try:
            yield Prometheus(port)
        finally:
            process.terminate()


def call_every_method(stub: Any, track_id: str) -> None:
    """Calls each method, some of them in vain, and more of them at once than the server takes."""
    stub.ListModels(pb.ListModelsRequest())
    for _ in range(20):
        stub.Predict(pb.PredictRequest(track_id=track_id))
    stub.RankTracks(pb.RankTracksRequest(track_ids=[track_id]))
    stub.PlanPrefetch(pb.PlanPrefetchRequest(playing=pb.QueuedTrack(track_id=track_id)))
    with pytest.raises(grpc.RpcError, match="NOT_FOUND"):
        stub.Predict(pb.PredictRequest(track_id=track_id, model="nobody"))
    calls = [stub.PredictRandom.future(pb.PredictRandomRequest(track_id=track_id)) for _ in range(32)]
    answered = [call.result().prediction_id for call in calls if call.exception() is None]
    for number, prediction_id in enumerate(answered):
        stub.RecordOutcome(pb.RecordOutcomeRequest(prediction_id=prediction_id, skipped=number % 2 == 0))


def as_value(expression: str) -> str:
    """Returns an alert's expression with comparisons that have a value rather than no result."""
    return re.sub(r"(==|>|<) (?=[\d.])", r"\1 bool ", expression)


def test_every_panel_and_every_alert_has_data(
    serve: Serving, trained: Trained, track_id: str, tmp_path: Path
) -> None:
    page = free_port()
    authority = Authority("authority")
    write_pair(tmp_path, authority.sign("server"))
    settings = {"PLAYTHROUGH_METRICS_PORT": str(page), "PLAYTHROUGH_MAX_IN_FLIGHT": "4"}
    settings["PLAYTHROUGH_TLS_DIR"] = str(tmp_path)
    expressions = {
        each: each.replace("$__rate_interval", "10s").replace("$instance", ".*") for each in PANELS
    } | {each.get("alert", each.get("record")): as_value(each["expr"]) for each in RULES}
    empty = set(expressions)
    with (
        serve(trained.data, trained.models, "--workers", "2", **settings) as server,
        prometheus(f"127.0.0.1:{page}", tmp_path / "prometheus") as queried,
        grpc.secure_channel(server.target, grpc.ssl_channel_credentials(authority.pem)) as channel,
    ):
        stub = pb_grpc.PredictionServiceStub(channel)
        deadline = time.monotonic() + 60
        while empty - EMPTY and time.monotonic() < deadline:
            call_every_method(stub, track_id)
            time.sleep(0.5)
            empty = {name for name in empty if not answers(queried, expressions[name])}
        assert empty == EMPTY
        for rule in RULES:
            queried.series(rule["expr"])  # as it is watched: no error
        told = queried.get("rules")["groups"]
        assert {rule["health"] for group in told for rule in group["rules"]} == {"ok"}
        names = queried.get("label/__name__/values")
        shown = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in names if name.startswith(OURS)}
        assert shown - {"playthrough_spool_dead_letters"} == DOCUMENTED - {"playthrough_spool_dead_letters"}
        with urllib.request.urlopen(f"http://127.0.0.1:{page}/metrics", timeout=30) as answer:
            checked = subprocess.run(
                ["promtool", "check", "metrics"], input=answer.read(), capture_output=True
            )
        assert (checked.returncode, checked.stderr) == (0, b"")  # names and units as Prometheus wants them
        counted = queried.series("sum by (method) (playthrough_calls_total)")
        methods = {method.name for method in pb.DESCRIPTOR.services_by_name["PredictionService"].methods}
        assert {each["metric"]["method"] for each in counted} == methods


def answers(queried: Prometheus, expression: str) -> bool:
    try:
        return bool(queried.series(expression))
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{expression}: {error.read().decode()}") from error
    except urllib.error.URLError:  # it is about to start
        return False
