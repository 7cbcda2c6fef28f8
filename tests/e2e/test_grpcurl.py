"""grpcurl, as a backend engineer types it, finds the service by reflection and gets predictions."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

Grpcurl = Callable[..., subprocess.CompletedProcess[str]]
SERVICE = "playthrough.v1.PredictionService"


@pytest.fixture
def call(grpcurl: Grpcurl, server: Any) -> Callable[[str, dict[str, Any]], Any]:
    def call(method: str, request: dict[str, Any]) -> Any:
        done = grpcurl("-plaintext", "-d", json.dumps(request), server.target, f"{SERVICE}/{method}")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call


def test_reflection_lists_the_service_and_its_methods(grpcurl: Grpcurl, server: Any) -> None:
    assert SERVICE in grpcurl("-plaintext", server.target, "list").stdout.split()
    methods = grpcurl("-plaintext", server.target, "list", SERVICE).stdout.split()
    names = {method.rpartition(".")[2] for method in methods}
    assert names == {
        "ListModels",
        "PlanPrefetch",
        "Predict",
        "PredictRandom",
        "RankTracks",
        "RecordOutcome",
    }


def test_health_answers_for_the_service(grpcurl: Grpcurl, server: Any) -> None:
    request = json.dumps({"service": SERVICE})
    done = grpcurl("-plaintext", "-d", request, server.target, "grpc.health.v1.Health/Check")
    assert json.loads(done.stdout) == {"status": "SERVING"}


@pytest.mark.parametrize(
    "genres", [["rock"], ["zydeco-core from nowhere"], []], ids=["known", "unknown", "none"]
)
@pytest.mark.parametrize("method", ["Predict", "PredictRandom"])
def test_predicts_for_known_and_unknown_genres(
    call: Callable[..., Any], track_id: str, method: str, genres: list[str]
) -> None:
    answer = call(method, {"track_id": track_id, "favourite_genres": genres})
    probability = answer["play_through_probability"]
    assert 0 < probability < 1
    assert answer["skipped"] is (probability < 0.5), "shown even when it is false"
    assert answer["model"] in {"simple", "advanced", "contextual"}


def test_an_outcome_is_recorded_for_a_logged_prediction(call: Callable[..., Any], track_id: str) -> None:
    prediction = call("PredictRandom", {"track_id": track_id, "listener_id": "101"})
    outcome = {"prediction_id": prediction["prediction_id"], "skipped": True, "listened_ms": 12_000}
    assert call("RecordOutcome", outcome) == {}


def test_an_unknown_track_is_not_found_and_named(grpcurl: Grpcurl, server: Any) -> None:
    request = json.dumps({"track_id": "no-such-track"})
    done = grpcurl("-plaintext", "-d", request, server.target, f"{SERVICE}/Predict")
    assert done.returncode != 0
    assert "Code: NotFound" in done.stderr
    assert "no-such-track" in done.stderr
