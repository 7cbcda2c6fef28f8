"""A greedy caller beside a good one on the real server, each with a connection of its own."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_health.v1 import health_pb2, health_pb2_grpc
from numpy.typing import NDArray

from models.predictor import Predictor
from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server import app
from server.access.caller import Caller
from server.call_counts import CallCounts
from server.limits.loop_lag import LoopLag
from server.log.experiment_log import ExperimentLog
from server.log.record import PredictionRecord
from server.settings import ServerSettings

Stub = Any
GREEDY_CALLS = 2_000


@pytest.fixture
def settings(settings: ServerSettings) -> ServerSettings:
    """Lets one connection have all of a caller's calls under way, which has several elsewhere."""
    return settings.model_copy(update={"max_streams_per_connection": 2 * GREEDY_CALLS})


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> CallCounts:
    """The server's counts."""
    counts = CallCounts()
    monkeypatch.setattr("server.app.CallCounts", lambda: counts)
    return counts


@pytest.fixture(autouse=True)
def _a_connection_is_a_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tells callers of one address apart, as tokens would."""
    monkeypatch.setattr("server.rpc.security.peer_caller", lambda peer: Caller(peer, "anonymous"))


def channel(address: str) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])


async def both(
    settings: ServerSettings, greedy: Callable[[Stub], Awaitable[Any]], good: Callable[[Stub], Awaitable[Any]]
) -> Counter[str]:
    """Lets one caller make 2,000 calls at once and another one 20 beside it, one after the other.

    The good one's calls all have to be answered. Returns how the greedy one's ended, by code.
    """
    async with (
        app.running(settings, lambda _line: None) as address,
        channel(address) as one,
        channel(address) as other,
    ):
        greedy_stub, good_stub = pb_grpc.PredictionServiceStub(one), pb_grpc.PredictionServiceStub(other)
        calls = [asyncio.ensure_future(greedy(greedy_stub)) for _ in range(GREEDY_CALLS)]
        await asyncio.sleep(0)
        for _ in range(20):
            await good(good_stub)
        ends = await asyncio.gather(*calls, return_exceptions=True)
    return Counter(_code(end) for end in ends)


def _code(end: Any) -> str:
    """Returns a call's code; every refusal has to tell when to come again."""
    if not isinstance(end, grpc.aio.AioRpcError):
        return "OK"
    if end.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
        assert _retry_after_s(end) > 0
    return end.code().name


def _retry_after_s(error: grpc.aio.AioRpcError) -> float:
    trailers = dict(error.trailing_metadata() or ())
    rich = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    retry = error_details_pb2.RetryInfo()
    assert rich.details[0].Unpack(retry)
    seconds: float = retry.retry_delay.ToTimedelta().total_seconds()
    return seconds


async def test_calls_that_never_wait_are_limited_by_their_rate(
    settings: ServerSettings, track_ids: list[str], counts: CallCounts
) -> None:
    request = pb.PredictRequest(track_id=track_ids[0])
    limited = settings.model_copy(update={"max_calls_per_s": 100.0})
    ends = await both(limited, lambda stub: stub.Predict(request), lambda stub: stub.Predict(request))
    assert ends.keys() == {"OK", "RESOURCE_EXHAUSTED"}
    assert ends["OK"] >= 100
    assert counts.shed == {"rate": ends["RESOURCE_EXHAUSTED"]}


async def test_without_a_rate_a_lone_gateway_is_not_limited(
    settings: ServerSettings, track_ids: list[str], counts: CallCounts
) -> None:
    request = pb.PredictRequest(track_id=track_ids[0])
    ends = await both(settings, lambda stub: stub.Predict(request), lambda stub: stub.Predict(request))
    assert ends == {"OK": GREEDY_CALLS}
    assert not counts.shed


@contextmanager
def slow_rankings(monkeypatch: pytest.MonkeyPatch, n_tracks: int) -> Iterator[None]:
    """Has a ranking of the catalogue take 2 ms, which leave the interpreter to the loop."""

    def slow(_self: Predictor, _genres: Sequence[str], _context: Any) -> NDArray[np.float64]:
        time.sleep(0.002)
        return np.zeros(n_tracks)

    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "predict_all", slow)
        yield


async def test_a_flood_of_rankings_refuses_no_other_caller_and_no_other_method(
    settings: ServerSettings, track_ids: list[str], counts: CallCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def good(stub: Stub) -> None:
        await stub.RankTracks(pb.RankTracksRequest(top_k=1))
        await stub.Predict(pb.PredictRequest(track_id=track_ids[0]))
        await stub.PlanPrefetch(
            pb.PlanPrefetchRequest(
                playing=pb.QueuedTrack(track_id=track_ids[0]),
                queue=[pb.QueuedTrack(track_id=track_ids[1], duration_ms=86_400_000)],  # not at once
            )
        )

    with slow_rankings(monkeypatch, len(track_ids)):
        ends = await both(settings, lambda stub: stub.RankTracks(pb.RankTracksRequest()), good)
    assert ends.keys() == {"OK", "RESOURCE_EXHAUSTED"}
    assert counts.shed.keys() == {"caller"}


async def test_calls_that_wait_leave_room_to_another_caller_and_another_method(
    settings: ServerSettings, track_ids: list[str], counts: CallCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()

    async def stuck(_log: ExperimentLog, record: PredictionRecord, **_options: Any) -> PredictionRecord:
        await go_on.wait()
        return record

    monkeypatch.setattr(ExperimentLog, "add", stuck)
    request = pb.PredictRandomRequest(track_id=track_ids[0])
    async with (
        app.running(settings, lambda _line: None) as address,
        channel(address) as one,
        channel(address) as other,
    ):
        greedy: Stub = pb_grpc.PredictionServiceStub(one)
        good: Stub = pb_grpc.PredictionServiceStub(other)
        flood = [asyncio.ensure_future(greedy.PredictRandom(request)) for _ in range(GREEDY_CALLS)]
        async with asyncio.timeout(120):
            while counts.shed["caller"] < GREEDY_CALLS - 800:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        waiting = [asyncio.ensure_future(good.PredictRandom(request)) for _ in range(20)]
        await good.Predict(pb.PredictRequest(track_id=track_ids[0]))
        async with asyncio.timeout(120):
            while counts.in_flight < 820:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        go_on.set()
        await asyncio.gather(*waiting)
        ends = await asyncio.gather(*flood, return_exceptions=True)
    assert Counter(map(_code, ends)) == {"OK": 800, "RESOURCE_EXHAUSTED": GREEDY_CALLS - 800}
    assert counts.shed == {"caller": GREEDY_CALLS - 800}


async def test_a_server_that_is_too_late_refuses_with_a_delay_and_is_still_healthy(
    settings: ServerSettings, track_ids: list[str], counts: CallCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoopLag, "add", lambda self, late_s: setattr(self, "standing_s", 1.5))
    async with app.running(settings, lambda _line: None) as address, channel(address) as one:
        stub: Stub = pb_grpc.PredictionServiceStub(one)
        await asyncio.sleep(0.1)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Predict(pb.PredictRequest(track_id=track_ids[0]))
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert _retry_after_s(caught.value) == 3.0
        health: Stub = health_pb2_grpc.HealthStub(one)
        answer = await health.Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert counts.shed == {"loop_lag": 1}


def test_settings_without_a_limit_leave_the_rate_out(data_directory: Path) -> None:
    assert ServerSettings(data=data_directory).max_calls_per_s is None
