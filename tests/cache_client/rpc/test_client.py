"""The client against a real grpc.aio server: what it sends, what it returns, what it raises."""

import asyncio
import socket
from datetime import UTC, datetime

import grpc
import pytest

from cache_client.rpc import errors
from cache_client.rpc.client import CALLS_PER_CONNECTION, PredictionClient
from cache_client.rpc.messages import ListenerContext, RecentPlay
from cache_client.rpc.retry import RetryPolicy
from tests.cache_client.scripted_server import ScriptedServicer


async def test_predict_returns_the_probability_and_who_answered(client: PredictionClient) -> None:
    prediction = await client.predict("loved", ["jazz"])
    assert (prediction.play_through_probability, prediction.skipped) == (0.9, False)
    assert (prediction.track_id, prediction.model, prediction.version) == ("loved", "simple", "1")


async def test_the_whole_listener_context_reaches_the_server(
    client: PredictionClient, servicer: ScriptedServicer
) -> None:
    context = ListenerContext(
        premium=False, recent_plays=(RecentPlay("liked", True),), advertisement_before=True, position=0
    )
    await client.predict("loved", ["jazz", "folk"], model="simple", context=context)
    (sent,) = servicer.requests
    assert list(sent.favourite_genres) == ["jazz", "folk"]
    assert sent.context.HasField("premium")
    assert sent.context.premium is False
    assert sent.context.HasField("position")
    assert sent.context.position == 0
    assert sent.context.advertisement_before is True
    assert [(p.track_id, p.skipped) for p in sent.context.recent_plays] == [("liked", True)]


async def test_what_is_unknown_about_the_listener_stays_unset(
    client: PredictionClient, servicer: ScriptedServicer
) -> None:
    await client.predict("loved", [], context=ListenerContext())
    await client.predict("loved", [])
    first, second = servicer.requests
    assert not first.context.HasField("premium")
    assert not first.context.HasField("position")
    assert not second.HasField("context")


async def test_rank_tracks_keeps_the_order_of_the_server_and_lists_unknown_tracks_apart(
    client: PredictionClient,
) -> None:
    ranking = await client.rank_tracks(["disliked", "nobody", "loved", "liked"], ["jazz"])
    assert [t.track_id for t in ranking.tracks] == ["loved", "liked", "disliked"]
    assert [t.skipped for t in ranking.tracks] == [False, False, True]
    assert ranking.unknown_track_ids == ("nobody",)


async def test_list_models_returns_models_and_experiment(client: PredictionClient) -> None:
    listed = await client.list_models()
    (model,) = listed.models
    (arm,) = listed.arms
    assert (model.name, model.is_default, model.metrics["accuracy"]) == ("simple", True, 0.71)
    assert model.loaded_at == datetime(2024, 1, 1, tzinfo=UTC)
    assert (model.state, model.failure_reason, model.digest) == ("serving", "", "0123456789abcdef")
    assert (listed.experiment, arm.probability, arm.version) == ("test", 1.0, "1")
    assert (model.split, model.test_share, model.refitted, model.data_digest) == ("", 0.0, False, "")


async def test_list_models_returns_what_the_figures_were_measured_on(
    client: PredictionClient, servicer: ScriptedServicer
) -> None:
    told = {"split": "temporal", "test_share": 0.2, "refitted": True, "data_digest": "f" * 64}
    servicer.model_fields = told
    (model,) = (await client.list_models()).models
    assert {name: getattr(model, name) for name in told} == told


async def test_a_logged_prediction_takes_its_first_outcome_and_another_one_is_no_error(
    client: PredictionClient, servicer: ScriptedServicer
) -> None:
    logged = await client.predict_random("loved", [], listener_id="7")
    for skipped in (True, True, False):
        await client.record_outcome(logged.prediction_id, skipped=skipped, listened_ms=1_500)
    assert servicer.outcomes == {logged.prediction_id: (True, 1_500)}


async def test_the_repeats_of_one_call_share_a_request_id_and_those_of_another_have_theirs(
    client: PredictionClient, servicer: ScriptedServicer
) -> None:
    servicer.unavailable_for = 2
    await client.predict_random("loved", [])
    await client.predict_random("loved", [])
    *repeats, other = [sent.request_id for sent in servicer.requests]
    assert len(repeats) == 3
    assert len(set(repeats)) == 1
    assert len({"", repeats[0], other}) == 3


async def test_a_request_id_of_the_callers_reaches_the_server(
    client: PredictionClient, servicer: ScriptedServicer
) -> None:
    await client.predict_random("loved", [], request_id="mine")
    assert [sent.request_id for sent in servicer.requests] == ["mine"]


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED])
async def test_a_call_is_repeated_when_the_server_is_briefly_unavailable_or_ends(
    client: PredictionClient, servicer: ScriptedServicer, code: grpc.StatusCode
) -> None:
    servicer.unavailable_for, servicer.unavailable_as = 2, code
    assert (await client.predict("loved", [])).play_through_probability == 0.9
    assert len(servicer.requests) == 3


async def test_repeating_ends_after_the_attempts_that_were_allowed(
    client: PredictionClient, servicer: ScriptedServicer
) -> None:
    servicer.unavailable_for = 100
    with pytest.raises(errors.ServerUnavailable, match="draining"):
        await client.predict("loved", [])
    assert len(servicer.requests) == RetryPolicy().max_attempts


async def test_a_slow_server_meets_the_deadline(target: str, servicer: ScriptedServicer) -> None:
    servicer.delay_s = 30.0
    async with PredictionClient(target, deadline_s=0.05) as hurried:
        with pytest.raises(errors.DeadlineExceeded, match=r"within 0\.05 s"):
            await hurried.predict("loved", [])


async def test_a_call_that_waits_for_others_of_its_connection_meets_its_deadline_too(
    target: str, servicer: ScriptedServicer
) -> None:
    servicer.delay_s = 30.0
    async with PredictionClient(target, deadline_s=3.0) as client:
        calls = [client.predict("loved", []) for _ in range(CALLS_PER_CONNECTION + 10)]
        ends = asyncio.gather(*calls, return_exceptions=True)
        async with asyncio.timeout(30):
            while len(servicer.requests) < CALLS_PER_CONNECTION:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert len(servicer.requests) == CALLS_PER_CONNECTION
        failed = await ends
    assert {type(error) for error in failed} == {errors.DeadlineExceeded}


async def test_nobody_listening_is_one_clear_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{unused.getsockname()[1]}"
        retry = RetryPolicy(max_attempts=2, initial_backoff_s=0.01)
        async with PredictionClient(target, retry=retry) as client:
            with pytest.raises(errors.ServerUnavailable, match=f"{target} is unavailable"):
                await client.list_models()


async def test_refused_fields_are_named(client: PredictionClient) -> None:
    with pytest.raises(errors.InvalidRequest, match="track_id: must not be empty") as caught:
        await client.predict("", [])
    assert caught.value.violations == (errors.FieldViolation("track_id", "must not be empty"),)


def test_a_field_that_the_message_names_already_is_not_named_twice() -> None:
    violation = errors.FieldViolation("top_k", "must not be negative")
    assert (
        str(errors.InvalidRequest("top_k: must not be negative", (violation,)))
        == "top_k: must not be negative"
    )
    assert str(errors.InvalidRequest("bad", (violation,))) == "bad (top_k: must not be negative)"


async def test_unknown_track_and_model_are_not_found(client: PredictionClient) -> None:
    with pytest.raises(errors.NotFoundError, match="unknown track 'nobody'"):
        await client.predict("nobody", [])
    with pytest.raises(errors.NotFoundError, match="unknown model 'none'"):
        await client.rank_tracks(["loved"], [], model="none")


async def test_overload_carries_the_servers_advice(client: PredictionClient) -> None:
    with pytest.raises(errors.Overloaded) as caught:
        await client.predict("busy", [])
    assert caught.value.retry_after_s == 0.25


async def test_a_bug_of_the_server_is_an_unexpected_status(client: PredictionClient) -> None:
    with pytest.raises(errors.UnexpectedStatus) as caught:
        await client.predict("crash", [])
    assert caught.value.code == "UNKNOWN"
    assert isinstance(caught.value.__cause__, Exception)


async def test_a_version_reaches_the_server(client: PredictionClient, servicer: ScriptedServicer) -> None:
    await client.predict("loved", [], model="simple", version="3")
    await client.predict("loved", [])
    assert [sent.version for sent in servicer.requests] == ["3", ""]


async def test_one_string_is_no_list_of_genres_or_tracks(client: PredictionClient) -> None:
    with pytest.raises(TypeError, match=r"favourite_genres takes a list of strings, not one: \['jazz'\]"):
        await client.predict("loved", "jazz")
    with pytest.raises(TypeError, match="favourite_genres"):
        await client.predict_random("loved", "jazz")
    with pytest.raises(TypeError, match="favourite_genres"):
        await client.rank_tracks(["loved"], "jazz")
    with pytest.raises(TypeError, match="track_ids"):
        await client.rank_tracks("loved", ["jazz"])


async def test_one_attempt_is_made_once_and_answers(target: str, servicer: ScriptedServicer) -> None:
    async with PredictionClient(target, retry=RetryPolicy(max_attempts=1)) as client:
        assert (await client.predict("loved", [])).play_through_probability == 0.9
        servicer.unavailable_for = 1
        with pytest.raises(errors.ServerUnavailable, match="draining"):
            await client.predict("loved", [])
    assert len(servicer.requests) == 2


@pytest.mark.parametrize("attempts", [0, 6])
def test_more_attempts_than_grpc_makes_or_none_are_refused(attempts: int) -> None:
    with pytest.raises(ValueError, match=f"max_attempts is {attempts}, not 1 to 5"):
        RetryPolicy(max_attempts=attempts)


@pytest.mark.parametrize("name", ["initial_backoff_s", "max_backoff_s", "multiplier"])
@pytest.mark.parametrize("value", [0.0, -1.0, 1e-5, float("nan"), float("inf")])
def test_times_that_grpc_would_refuse_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is"):
        RetryPolicy(**{name: value})  # type: ignore[arg-type]


def test_a_client_of_no_connection_is_refused() -> None:
    with pytest.raises(ValueError, match="connections is 0"):
        PredictionClient("localhost", connections=0)


async def test_only_the_first_call_connects_unless_more_connections_are_asked_for(
    target: str, servicer: ScriptedServicer
) -> None:
    for several, connections in ((PredictionClient(target), 1), (PredictionClient(target, connections=4), 4)):
        servicer.peers.clear()
        async with several as client:
            for _ in range(8):
                await client.predict("loved", [])
        assert len(servicer.peers) == connections


async def test_the_shortest_back_off_is_one_that_grpc_takes(target: str, servicer: ScriptedServicer) -> None:
    async with PredictionClient(target, retry=RetryPolicy(initial_backoff_s=0.001)) as client:
        assert (await client.predict("loved", [])).play_through_probability == 0.9


async def test_a_refused_connection_is_not_told_as_a_slow_answer() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{unused.getsockname()[1]}"
        retry = RetryPolicy(initial_backoff_s=30.0, max_backoff_s=30.0)
        async with PredictionClient(target, deadline_s=0.2, retry=retry) as client:
            with pytest.raises(errors.ServerUnavailable, match="refused"):
                await client.list_models()
        async with PredictionClient(target, retry=RetryPolicy(max_attempts=1)) as client:
            with pytest.raises(errors.ServerUnavailable, match=r"unavailable: Connection refused$"):
                await client.list_models()
