"""The real aio server with the real embedded database."""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from pydantic import SecretStr
from pymongo import MongoClient
from structlog.testing import capture_logs

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server import app
from server.call_counts import CallCounts
from server.errors import StartError
from server.log.mongo.embedded.database import EmbeddedMongo, embedded_mongodb, find_program
from server.log.prediction_id import new_prediction_id
from server.log.spool.status import count_spooled, read_status
from server.rpc.health import SERVICE_NAME
from server.rpc.listening_port import check_free
from server.service import PredictionService
from server.settings import ServerSettings
from server.stop_budget import StopBudget
from tests.server.tiny_models import save_tiny_model


def documents(uri: str) -> list[dict[str, Any]]:
    """Reads the experiment log as anybody would: with plain PyMongo."""
    client: MongoClient[dict[str, Any]] = MongoClient(uri, tz_aware=True)
    try:
        return list(client.get_default_database()["predictions"].find())
    finally:
        client.close()


async def details_of(call: Any) -> tuple[grpc.StatusCode, str, status_pb2.Status]:
    """Awaits a call that has to fail; returns its code, message and rich status."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    metadata = dict(caught.value.trailing_metadata() or ())
    rich = status_pb2.Status.FromString(metadata.get("grpc-status-details-bin", b""))
    return caught.value.code(), caught.value.details() or "", rich


async def until(condition: Callable[[], bool]) -> None:
    """Waits until a condition holds that a thread may look at."""
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def delivery_processes() -> set[int]:
    """Returns the process ids of the deliveries that this process has started and that run."""
    found = set()
    for children in Path("/proc/self/task").glob("*/children"):
        for pid in children.read_text().split():
            with contextlib.suppress(OSError):
                if "server.log.delivery.process" in Path(f"/proc/{pid}/cmdline").read_text():
                    found.add(int(pid))
    return found


async def test_n_calls_become_n_documents_of_both_models(
    serving: Callable[..., Any], mongodb_uri: str, track_ids: list[str]
) -> None:
    requests = [
        pb.PredictRandomRequest(track_id=track_ids[n % 40], favourite_genres=["rock"], listener_id=str(n % 9))
        for n in range(120)
    ]
    async with serving(mongodb_uri=SecretStr(mongodb_uri)) as stub:
        answers = await asyncio.gather(*map(stub.PredictRandom, requests))

    stored = {document["_id"]: document for document in await asyncio.to_thread(documents, mongodb_uri)}
    assert len(stored) == 120
    assert Counter(d["model"] for d in stored.values()).keys() == {"simple", "advanced"}
    for request, answer in zip(requests, answers, strict=True):
        document = stored[answer.prediction_id]
        assert document["play_through_probability"] == answer.play_through_probability
        assert (document["model"], document["version"]) == (answer.model, answer.version)
        assert (document["skipped"], document["listener_id"]) == (answer.skipped, request.listener_id)
        assert (document["track_id"], document["favourite_genres"]) == (request.track_id, ["rock"])
        assert (document["experiment"], document["arm"]) == ("model-comparison", answer.model)
        assert document["arm_probability"] == 0.5
        assert document["outcome"] is None


async def test_an_outcome_joins_its_prediction_before_and_after_it_reached_mongodb(
    serving: Callable[..., Any], mongodb_uri: str, track_ids: list[str], tmp_path: Path
) -> None:
    async with serving(mongodb_uri=SecretStr(mongodb_uri)) as stub:
        at_once = await stub.PredictRandom(pb.PredictRandomRequest(track_id=track_ids[0]))
        outcome = pb.RecordOutcomeRequest(prediction_id=at_once.prediction_id, skipped=True, listened_ms=900)
        await stub.RecordOutcome(outcome)

        late = await stub.PredictRandom(pb.PredictRandomRequest(track_id=track_ids[1]))
        await until(lambda: len(documents(mongodb_uri)) == 2)
        late_outcome = pb.RecordOutcomeRequest(prediction_id=late.prediction_id, listened_ms=2_000)
        await stub.RecordOutcome(late_outcome)

        for told in (outcome, late_outcome):
            await stub.RecordOutcome(told)  # an equal outcome may come again
            other = pb.RecordOutcomeRequest(
                prediction_id=told.prediction_id, skipped=told.skipped, listened_ms=told.listened_ms + 1
            )
            await stub.RecordOutcome(other)  # taken, and kept as a conflict
        code, *_ = await details_of(stub.RecordOutcome(pb.RecordOutcomeRequest(prediction_id="f" * 24)))
        assert code == grpc.StatusCode.NOT_FOUND  # no server issues that

    stored = {document["_id"]: document["outcome"] for document in documents(mongodb_uri)}
    assert stored.keys() == {at_once.prediction_id, late.prediction_id}
    assert (stored[at_once.prediction_id]["skipped"], stored[at_once.prediction_id]["listened_ms"]) == (
        True,
        900,
    )
    assert (stored[late.prediction_id]["skipped"], stored[late.prediction_id]["listened_ms"]) == (False, 2000)
    assert stored[late.prediction_id]["recorded_at"].tzinfo is not None
    status = read_status(tmp_path / "var" / "spool")
    assert (status.dead, status.waiting_outcomes) == ({("outcome", "conflict"): 2}, 0)


async def test_records_made_while_mongodb_is_away_arrive_when_it_comes_up(
    serving: Callable[..., Any], tmp_path: Path, track_ids: list[str]
) -> None:
    if find_program() is None:
        pytest.skip("secantusd-py is not installed: pip install 'playthrough[embedded]'")
    database = EmbeddedMongo(tmp_path / "late")
    uri = await database.start()
    await database.stop()
    async with serving(mongodb_uri=SecretStr(uri)) as stub:
        answers = [
            await stub.PredictRandom(pb.PredictRandomRequest(track_id=track_id)) for track_id in track_ids[:5]
        ]
        # Another machine may have that one's prediction: it is taken on trust.
        await stub.RecordOutcome(pb.RecordOutcomeRequest(prediction_id=new_prediction_id()))
        await stub.RecordOutcome(
            pb.RecordOutcomeRequest(prediction_id=answers[0].prediction_id, skipped=True)
        )
        spool = tmp_path / "var" / "spool"
        await until(lambda: read_status(spool).away_since is not None)

        await database.start(port=int(uri.rpartition(":")[2].partition("/")[0]))
        try:
            await until(lambda: len(documents(uri)) == 5)
            await until(lambda: read_status(spool).away_since is None)
            stored = {document["_id"]: document["outcome"] for document in documents(uri)}
        finally:
            await database.stop()
    assert stored.keys() == {answer.prediction_id for answer in answers}
    assert stored[answers[0].prediction_id]["skipped"] is True
    assert count_spooled(spool).held_outcomes == 1


async def test_a_mongodb_that_hangs_keeps_no_call_and_no_end_waiting_and_loses_nothing(
    serving: Callable[..., Any], tmp_path: Path, track_ids: list[str]
) -> None:
    if find_program() is None:
        pytest.skip("secantusd-py is not installed: pip install 'playthrough[embedded]'")
    async with embedded_mongodb(tmp_path / "hanging") as uri:
        settings = {"mongodb_uri": SecretStr(f"{uri}?socketTimeoutMS=3600000"), "drain_grace_s": 3600.0}
        answered: list[str] = []

        async def call(stub: Any, times: int) -> None:
            for _ in range(times):
                answer = await stub.PredictRandom(pb.PredictRandomRequest(track_id=track_ids[0]), timeout=30)
                outcome = pb.RecordOutcomeRequest(prediction_id=answer.prediction_id, skipped=True)
                await stub.RecordOutcome(outcome, timeout=30)
                answered.append(answer.prediction_id)

        pid = int((tmp_path / "hanging" / "pid").read_text())
        with capture_logs() as logs:
            async with asyncio.timeout(120), serving(**settings) as stub:
                await call(stub, 5)
                await until(lambda: len(documents(uri)) == 5)
                os.kill(pid, signal.SIGSTOP)
                await call(stub, 20)
        os.kill(pid, signal.SIGCONT)
        assert "delivery_killed" not in [line["event"] for line in logs]
        async with serving(**settings):
            await until(lambda: len(documents(uri)) == 25)
        stored = documents(uri)
    assert {document["_id"] for document in stored} == set(answered)
    assert all(document["outcome"]["skipped"] for document in stored)


async def test_a_killed_delivery_is_started_again_and_loses_and_doubles_nothing(
    serving: Callable[..., Any], mongodb_uri: str, track_ids: list[str], tmp_path: Path
) -> None:
    killed: set[int] = set()
    answered: list[str] = []
    with capture_logs() as logs:
        async with serving(mongodb_uri=SecretStr(mongodb_uri)) as stub:
            for _ in range(2):
                for _ in range(50):
                    request = pb.PredictRandomRequest(track_id=track_ids[0])
                    answered.append((await stub.PredictRandom(request)).prediction_id)
                await until(lambda: bool(delivery_processes() - killed))
                (pid,) = delivery_processes() - killed
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            await until(lambda: len(documents(mongodb_uri)) == 100)
    assert len(killed) == 2
    assert [line["exit_code"] for line in logs if line["event"] == "delivery_ended"] == [-9, -9]
    assert sorted(document["_id"] for document in documents(mongodb_uri)) == sorted(answered)
    assert read_status(tmp_path / "var" / "spool").dead == {}


@pytest.mark.parametrize("option", ["timeoutMS=0", "socketTimeoutMS=0"])
async def test_a_uri_that_delivery_cannot_use_is_told_at_the_start_in_a_line(
    serving: Callable[..., Any], option: str
) -> None:
    with pytest.raises(StartError, match=f"the MongoDB URI is not usable: {option[:-2]} has") as caught:
        async with serving(mongodb_uri=SecretStr(f"mongodb://user:secret@db/log?{option}")):
            pass
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_records_that_no_mongodb_took_are_there_for_the_next_server(
    serving: Callable[..., Any], mongodb_uri: str, track_ids: list[str]
) -> None:
    async with serving() as stub:
        answer = await stub.PredictRandom(pb.PredictRandomRequest(track_id=track_ids[0]))
    async with serving(mongodb_uri=SecretStr(mongodb_uri)):
        pass
    assert [document["_id"] for document in documents(mongodb_uri)] == [answer.prediction_id]


async def test_bad_input_is_answered_and_the_server_lives(
    serving: Callable[..., Any], track_ids: list[str]
) -> None:
    async with serving() as stub:
        code, _, rich = await details_of(stub.Predict(pb.PredictRequest(favourite_genres=[""])))
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        bad_request = error_details_pb2.BadRequest()
        assert rich.details[0].Unpack(bad_request)
        violations = [violation.field for violation in bad_request.field_violations]
        assert violations == ["track_id", "favourite_genres[0]"]

        for call in (
            stub.Predict(pb.PredictRequest(track_id="nowhere")),
            stub.Predict(pb.PredictRequest(track_id=track_ids[0], model="nobody")),
            stub.PredictRandom(pb.PredictRandomRequest(track_id="nowhere")),
            stub.RankTracks(pb.RankTracksRequest(model="nobody")),
        ):
            code, message, _ = await details_of(call)
            assert code == grpc.StatusCode.NOT_FOUND
            assert "nowhere" in message or "nobody" in message
        code, _, _ = await details_of(stub.RankTracks(pb.RankTracksRequest(track_ids=["a"] * 1001)))
        assert code == grpc.StatusCode.INVALID_ARGUMENT

        answer = await stub.Predict(pb.PredictRequest(track_id=track_ids[0], favourite_genres=["never seen"]))
        assert 0 <= answer.play_through_probability <= 1
        assert answer.model == "advanced"


async def test_a_full_log_is_resource_exhausted_says_when_to_retry_and_is_counted(
    serving: Callable[..., Any], track_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = CallCounts()
    monkeypatch.setattr("server.app.CallCounts", lambda: counts)
    async with serving(spool_max_records=1) as stub:
        await stub.PredictRandom(pb.PredictRandomRequest(track_id=track_ids[0]))
        code, _, rich = await details_of(stub.PredictRandom(pb.PredictRandomRequest(track_id=track_ids[0])))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert rich.details[0].Is(error_details_pb2.RetryInfo.DESCRIPTOR)
        await stub.Predict(pb.PredictRequest(track_id=track_ids[0]))  # does not log, so it still answers
    assert counts.shed == {"spool": 1}


async def test_a_full_disk_is_resource_exhausted_too(
    serving: Callable[..., Any], track_ids: list[str]
) -> None:
    async with serving(spool_min_free_bytes=1 << 60) as stub:
        code, *_ = await details_of(stub.PredictRandom(pb.PredictRandomRequest(track_id=track_ids[0])))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        await stub.Predict(pb.PredictRequest(track_id=track_ids[0]))


async def test_an_outcome_is_taken_while_mongodb_is_away(
    serving: Callable[..., Any], track_ids: list[str], tmp_path: Path
) -> None:
    async with serving() as stub:  # nobody is where its MongoDB should be
        predicted = await stub.PredictRandom(pb.PredictRandomRequest(track_id=track_ids[0]))
        for prediction_id in (predicted.prediction_id, new_prediction_id()):
            request = pb.RecordOutcomeRequest(prediction_id=prediction_id, skipped=True, listened_ms=5)
            await stub.RecordOutcome(request)
            request.skipped = False
            await stub.RecordOutcome(request)
        code, *_ = await details_of(stub.RecordOutcome(pb.RecordOutcomeRequest(prediction_id="0" * 24)))
        assert code == grpc.StatusCode.NOT_FOUND
    assert count_spooled(tmp_path / "var" / "spool").held_outcomes == 4


async def test_a_bug_is_internal_and_tells_no_internals(
    serving: Callable[..., Any], track_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: Any) -> None:
        raise ValueError("a secret")

    async with serving() as stub:
        monkeypatch.setattr(PredictionService, "predict", broken)
        code, message, _ = await details_of(stub.Predict(pb.PredictRequest(track_id=track_ids[0])))
    assert (code, message) == (grpc.StatusCode.INTERNAL, "internal error")


async def test_a_ranking_agrees_with_single_predictions(
    serving: Callable[..., Any], track_ids: list[str]
) -> None:
    async with serving() as stub:
        ranking = await stub.RankTracks(
            pb.RankTracksRequest(track_ids=[*track_ids[:6], "nowhere"], favourite_genres=["rock"], top_k=4)
        )
        probabilities = [track.play_through_probability for track in ranking.tracks]
        assert probabilities == sorted(probabilities, reverse=True)
        assert (len(probabilities), list(ranking.unknown_track_ids)) == (4, ["nowhere"])
        for track in ranking.tracks:
            single = await stub.Predict(pb.PredictRequest(track_id=track.track_id, favourite_genres=["rock"]))
            assert single.play_through_probability == pytest.approx(track.play_through_probability)
            assert single.skipped == track.skipped
        everything = await stub.RankTracks(pb.RankTracksRequest())
        assert {track.track_id for track in everything.tracks} == set(track_ids)


async def test_a_ranking_brings_listening_curves_when_asked(
    serving: Callable[..., Any], track_ids: list[str]
) -> None:
    async with serving() as stub:
        asked = pb.RankTracksRequest(track_ids=track_ids[:4], listening_curve_at_s=[0, 5, 1e6])
        for track in (await stub.RankTracks(asked)).tracks:
            at_start, soon, after_the_end = track.listening_curve
            assert (at_start, after_the_end) == (1, 0)
            assert track.play_through_probability < soon < 1
        plain = await stub.RankTracks(pb.RankTracksRequest(track_ids=track_ids[:4]))
        assert not any(track.listening_curve for track in plain.tracks)


async def test_models_are_listed_with_one_default_and_the_weights(serving: Callable[..., Any]) -> None:
    async with serving(default_model="simple") as stub:
        listed = await stub.ListModels(pb.ListModelsRequest())
    assert [(model.name, model.version, model.is_default) for model in listed.models] == [
        ("advanced", "1", False),
        ("simple", "1", True),
    ]
    assert listed.models[1].metrics["log_loss"] == 0.7
    assert list(listed.models[1].required_inputs) == ["track_id", "favourite_genres"]
    assert listed.models[1].loaded_at.seconds > 0
    assert listed.experiment.metric == "accuracy"
    assert [(arm.name, arm.model, arm.probability) for arm in listed.experiment.arms] == [
        ("advanced", "advanced", 0.5),
        ("simple", "simple", 0.5),
    ]


async def test_models_are_listed_with_what_their_figures_were_measured_on(
    serving: Callable[..., Any], registry_directory: Path
) -> None:
    split = {"kind": "listener", "test_share": 0.2, "seed": 42}
    save_tiny_model(registry_directory, "advanced", "2", split=split, refitted=True, data_digest="f" * 64)
    async with serving(registry_poll_s=0) as stub:
        listed = await stub.ListModels(pb.ListModelsRequest())
    assert [(it.name, it.split, it.test_share, it.refitted, it.data_digest[:1]) for it in listed.models] == [
        ("advanced", "listener", 0.2, True, "f"),
        ("simple", "", 0.0, False, "0"),  # of a manifest that says nothing of a split
    ]
    assert [(arm.model, arm.version) for arm in listed.experiment.arms] == [
        ("advanced", "2"),
        ("simple", "1"),
    ]


async def test_health_and_reflection_answer(settings: ServerSettings) -> None:
    service = "playthrough.v1.PredictionService"
    async with (
        app.running(settings, lambda _line: None) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        health: Any = health_pb2_grpc.HealthStub(channel)
        for name in ("", service):
            checked = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert checked.status == health_pb2.HealthCheckResponse.SERVING
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        (listed,) = [answer async for answer in reflection.ServerReflectionInfo(iter([asked]))]
        names = {found.name for found in listed.list_services_response.service}
        assert {service, "grpc.health.v1.Health"} <= names


def test_a_name_that_no_host_can_have_is_one_clear_error() -> None:
    with pytest.raises(StartError, match="cannot listen on"):
        check_free("a" * 80, 0)


async def test_a_second_signal_ends_calls_in_flight_and_loses_nothing_that_was_answered(
    settings: ServerSettings, track_ids: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = asyncio.Event()

    async def waiting_forever(*_: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(PredictionService, "record_outcome", waiting_forever)
    budget = StopBudget(3600.0)
    running = app.running(settings, lambda _line: None, budget)
    address = await running.__aenter__()
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = pb_grpc.PredictionServiceStub(channel)
        await stub.PredictRandom(pb.PredictRandomRequest(track_id=track_ids[0]))
        outcome = pb.RecordOutcomeRequest(prediction_id="0" * 24, skipped=False, listened_ms=1)
        call = stub.RecordOutcome(outcome)
        await reached.wait()
        ending = asyncio.create_task(running.__aexit__(None, None, None))
        await asyncio.sleep(0.1)
        assert not ending.done()
        budget.cut_short()
        async with asyncio.timeout(60):
            await ending
        with pytest.raises(grpc.aio.AioRpcError):
            await call
    assert count_spooled(tmp_path / "var" / "spool").waiting == 1


async def test_those_who_watch_are_told_of_the_end_and_do_not_hold_it_up(settings: ServerSettings) -> None:
    patient = settings.model_copy(update={"drain_grace_s": 3600.0})
    running = app.running(patient, lambda _line: None)
    address = await running.__aenter__()
    async with grpc.aio.insecure_channel(address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service=SERVICE_NAME))
        alive = health.Watch(health_pb2.HealthCheckRequest())
        unknown = health.Watch(health_pb2.HealthCheckRequest(service="nobody"))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        assert (await alive.read()).status == health_pb2.HealthCheckResponse.SERVING
        assert (await unknown.read()).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        async with asyncio.timeout(60):  # nobody cancels the streams
            await running.__aexit__(None, None, None)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert [await stream.read() for stream in (watch, alive, unknown)] == [grpc.aio.EOF] * 3
