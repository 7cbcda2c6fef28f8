"""Each command answers bad input with one clear line and a non-zero exit, and the server outlives it."""

import shutil
import socket
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_status import rpc_status

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1.prediction_service_pb2_grpc import PredictionServiceStub


def assert_one_line(done: Any, *words: str) -> None:
    lines = done.stderr.strip().splitlines()
    assert done.returncode != 0
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize(
    "command",
    [
        ["data", "transform", "{}", "--out", "plays.jsonl"],
        ["trainer", "--data", "{}"],
        ["server", "--data", "{}", "--port", "0"],
        ["cache_client", "simulate", "--data", "{}", "--server", "127.0.0.1:9"],
    ],
    ids=lambda command: command[0],
)
def test_a_missing_data_folder_is_named(run_command: Any, tmp_path: Path, command: list[str]) -> None:
    missing = str(tmp_path / "nowhere")
    done = run_command(*(word.replace("{}", missing) for word in command), check=False)
    assert_one_line(done, missing)


def test_a_truncated_line_is_named_with_its_number(run_command: Any, trained: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(trained.data, broken)
    sessions = broken / "sessions.jsonl"
    sessions.write_bytes(sessions.read_bytes()[:-30])
    last = sessions.read_bytes().count(b"\n") + 1
    for command in (["trainer", "--data", broken, "--models", tmp_path / "models"],):
        assert_one_line(run_command(*command, check=False), f"sessions.jsonl:{last}")
    assert not (tmp_path / "models").exists() or not any((tmp_path / "models").iterdir())


def test_a_busy_port_is_named(run_command: Any, trained: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = ["server", "--data", trained.data, "--models", trained.models, "--port", port]
        assert_one_line(
            run_command(*command, "--mongodb-uri", "mongodb://127.0.0.1:9", check=False), str(port)
        )


def test_a_corrupt_artifact_is_refused_and_the_others_serve(serve: Any, trained: Any, tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(trained.models, models)
    weights = next((models / "simple").rglob("weights.safetensors"))
    weights.write_bytes(weights.read_bytes()[:100])
    with serve(trained.data, models) as running, grpc.insecure_channel(running.target) as channel:
        listed = PredictionServiceStub(channel).ListModels(pb.ListModelsRequest(), timeout=10)
    states = {model.name: pb.Model.State.Name(model.state) for model in listed.models}
    assert states == {"advanced": "STATE_SERVING", "contextual": "STATE_SERVING", "simple": "STATE_FAILED"}
    assert "simple" in (tmp_path / "var" / "server.log").read_text()


def test_an_unreachable_mongodb_stops_neither_the_server_nor_a_prediction(
    serve: Any, trained: Any, track_id: str
) -> None:
    with (
        serve(trained.data, trained.models, "--mongodb-uri", "mongodb://127.0.0.1:9") as running,
        grpc.insecure_channel(running.target) as channel,
    ):
        stub = PredictionServiceStub(channel)
        answers = [
            stub.PredictRandom(pb.PredictRandomRequest(track_id=track_id), timeout=10) for _ in range(20)
        ]
    assert len({answer.prediction_id for answer in answers}) == 20


def test_each_bad_request_has_its_status_and_the_server_answers_on(server: Any, track_id: str) -> None:
    requests = {
        "unknown track": (pb.PredictRequest(track_id="nope"), grpc.StatusCode.NOT_FOUND),
        "unknown model": (pb.PredictRequest(track_id=track_id, model="nope"), grpc.StatusCode.NOT_FOUND),
        "empty request": (pb.PredictRequest(), grpc.StatusCode.INVALID_ARGUMENT),
        "empty genre": (
            pb.PredictRequest(track_id=track_id, favourite_genres=[""]),
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
        "too many genres": (
            pb.PredictRequest(track_id=track_id, favourite_genres=["rock"] * 1001),
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
    }
    with grpc.insecure_channel(server.target) as channel:
        stub = PredictionServiceStub(channel)
        for name, (request, code) in requests.items():
            with pytest.raises(grpc.RpcError) as raised:
                stub.Predict(request, timeout=10)
            assert isinstance(raised.value, grpc.Call)
            assert raised.value.code() is code, name
        with pytest.raises(grpc.RpcError) as raised:
            stub.Predict(pb.PredictRequest(), timeout=10)
        assert isinstance(raised.value, grpc.Call)
        status = rpc_status.from_call(raised.value)
        assert status is not None
        assert b"track_id" in status.details[0].value
        assert stub.Predict(pb.PredictRequest(track_id=track_id), timeout=10).model
