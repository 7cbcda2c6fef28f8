"""Over capacity, over size, out of time."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from numpy.typing import NDArray

from models.predictor import Predictor
from playthrough.v1 import limits
from playthrough.v1 import prediction_service_pb2 as pb
from server.call_counts import CallCounts
from server.errors import MAX_VIOLATIONS, InvalidRequestError
from server.log.experiment_log import ExperimentLog
from server.log.record import PredictionRecord
from server.rpc.server import MAX_REQUEST_BYTES
from server.rpc.validation import check_rank_tracks
from server.service import PredictionService

Serving = Callable[..., AbstractAsyncContextManager[Any]]


async def test_calls_beyond_the_limit_are_told_when_to_retry_and_room_comes_back(
    serving: Serving, track_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, leave = asyncio.Event(), asyncio.Event()

    async def stuck(_log: ExperimentLog, record: PredictionRecord, **_options: Any) -> PredictionRecord:
        inside.set()
        await leave.wait()
        return record

    monkeypatch.setattr(ExperimentLog, "add", stuck)
    async with serving(max_in_flight=1) as stub:
        holding = asyncio.ensure_future(stub.PredictRandom(pb.PredictRandomRequest(track_id=track_ids[0])))
        await inside.wait()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.PredictRandom(pb.PredictRandomRequest(track_id=track_ids[0]))
        await stub.Predict(pb.PredictRequest(track_id=track_ids[0]))  # each method has room of its own
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        trailers = dict(caught.value.trailing_metadata() or ())
        rich = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
        retry = error_details_pb2.RetryInfo()
        assert rich.details[0].Unpack(retry)
        assert retry.retry_delay.ToTimedelta().total_seconds() > 0
        leave.set()
        await holding
        await stub.PredictRandom(pb.PredictRandomRequest(track_id=track_ids[0]))


async def test_a_request_beyond_the_size_limit_is_refused_and_the_server_lives(
    serving: Serving, track_ids: list[str]
) -> None:
    async with serving() as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Predict(pb.PredictRequest(track_id="x" * (MAX_REQUEST_BYTES + 1)))
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        await stub.Predict(pb.PredictRequest(track_id=track_ids[0]))


async def test_the_largest_request_that_the_contract_allows_is_below_the_size_limit() -> None:
    text = "\U0001f3b5" * 200
    context = pb.ListenerContext(recent_plays=[pb.RecentPlay(track_id=text, skipped=True)] * 200)
    request = pb.RankTracksRequest(
        model=text,
        track_ids=[text] * 1000,
        favourite_genres=[text] * 100,
        context=context,
        listening_curve_at_s=range(1000),
    )
    assert request.ByteSize() < MAX_REQUEST_BYTES


async def test_work_for_a_caller_whose_time_is_up_is_not_done(
    serving: Serving, track_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ranking of the catalogue that waits behind another one is dropped once its caller has gone."""
    ranked: list[tuple[str, ...]] = []
    loop = asyncio.get_running_loop()
    first_began, go_on = asyncio.Event(), asyncio.Event()

    def slow(_self: Predictor, favourite_genres: Sequence[str], _context: Any) -> NDArray[np.float64]:
        ranked.append(tuple(favourite_genres))
        loop.call_soon_threadsafe(first_began.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
        return np.zeros(len(track_ids))

    counts = CallCounts()
    monkeypatch.setattr("server.app.CallCounts", lambda: counts)
    monkeypatch.setattr(Predictor, "predict_all", slow)
    async with serving() as stub:
        first = asyncio.ensure_future(stub.RankTracks(pb.RankTracksRequest(favourite_genres=["first"])))
        await first_began.wait()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.RankTracks(pb.RankTracksRequest(favourite_genres=["late"]), timeout=0.2)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        async with asyncio.timeout(30):  # the server's clock for the call began later than the caller's
            while counts.in_flight > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        go_on.set()
        await first
        await stub.RankTracks(pb.RankTracksRequest(favourite_genres=["next"]))
    assert ranked == [("first",), ("next",)]


@pytest.mark.parametrize(
    ("asked", "points", "top_k"), [(1_000, 101, 0), (1_000, 201, 500), (0, 1_000, 0), (0, 1_000, 40)]
)
async def test_a_ranking_whose_curves_would_have_too_many_points_is_refused_before_its_work(
    serving: Serving,
    track_ids: list[str],
    monkeypatch: pytest.MonkeyPatch,
    asked: int,
    points: int,
    top_k: int,
) -> None:
    monkeypatch.setattr("server.rpc.validation.MAX_RANKED_CURVE_POINTS", 100_000 if asked else 39_999)
    request = pb.RankTracksRequest(
        track_ids=[f"{n}" for n in range(asked)], listening_curve_at_s=range(points), top_k=top_k
    )
    async with serving() as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.RankTracks(request)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        trailers = dict(caught.value.trailing_metadata() or ())
        rich = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
        bad = error_details_pb2.BadRequest()
        assert rich.details[0].Unpack(bad)
        assert [it.field for it in bad.field_violations] == ["listening_curve_at_s"]
        request.top_k = 99 if asked else 39
        del request.listening_curve_at_s[1_000:]
        await stub.RankTracks(request)


async def test_a_catalogue_too_large_for_one_answer_has_to_be_asked_for_its_best(
    serving: Serving, track_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.rpc.validation.MAX_ANSWER_BYTES", 1_400)
    async with serving() as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.RankTracks(pb.RankTracksRequest())
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "top_k: must be given, and below 40" in (caught.value.details() or "")
        await stub.RankTracks(pb.RankTracksRequest(top_k=30))


async def test_a_catalogue_that_is_seen_to_be_too_large_is_refused_before_it_is_ranked(
    serving: Serving, track_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ranking of 300,000 tracks would take a second, to be thrown away."""
    async with serving() as stub:
        whole = await stub.RankTracks(pb.RankTracksRequest())
        monkeypatch.setattr(PredictionService, "rank_tracks", None)
        monkeypatch.setattr("server.rpc.validation.MAX_ANSWER_BYTES", sum(map(_n_bytes, whole.tracks)) - 1)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.RankTracks(pb.RankTracksRequest())
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        monkeypatch.setattr("server.rpc.validation.MAX_ANSWER_BYTES", sum(map(_n_bytes, whole.tracks)) + 40)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.RankTracks(pb.RankTracksRequest())
        assert caught.value.code() == grpc.StatusCode.INTERNAL, "it is ranked, which is broken here"


def _n_bytes(track: pb.RankedTrack) -> int:
    return track.ByteSize() + 2  # its tag and its length


def test_however_many_faults_a_request_has_its_error_fits_into_headers() -> None:
    request = pb.RankTracksRequest(track_ids=["x" * 201] * 1_000)
    with pytest.raises(InvalidRequestError) as caught:
        check_rank_tracks(request)
    assert len(caught.value.violations) == MAX_VIOLATIONS
    assert len(str(caught.value)) < 4_000


def test_the_largest_ranking_is_below_the_size_limit() -> None:
    text, curve = "\U0001f3b5" * 200, [0.5] * 100
    track = pb.RankedTrack(track_id=text, play_through_probability=0.5, skipped=False, listening_curve=curve)
    most = pb.RankTracksResponse(tracks=[track] * 1_000, model=text, version=text)
    assert most.ByteSize() < limits.MAX_ANSWER_BYTES
