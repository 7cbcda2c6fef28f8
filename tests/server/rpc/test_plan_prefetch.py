"""PlanPrefetch on the real server: the client library's own plan, for any input, in bounded answers."""

import asyncio
import math
import threading
from collections.abc import AsyncIterator
from typing import Any

import grpc
import hypothesis
import pytest
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from cache_client import (
    Delivery,
    InvalidRequest,
    LinkObservations,
    ListenerContext,
    NotFoundError,
    Objective,
    Play,
    PredictionClient,
    PrefetchClient,
    QueuedTrack,
    Ration,
    RecentPlay,
    ScoreWeights,
    Transfer,
)
from cache_client.prefetch import link_observer
from cache_client.prefetch.plan import ListenerRecord
from cache_client.prefetch.play import plan_of, sensible
from data import read_catalogue
from playthrough.v1 import limits
from playthrough.v1 import prediction_service_pb2 as pb
from server import app
from server.call_counts import CallCounts
from server.limits.fair_thread import FairThread
from server.planning import PlannedPlay
from server.rpc import convert, servicer
from server.rpc.plan_validation import check_plan_prefetch
from server.rpc.servicer import PredictionServicer
from server.settings import ServerSettings

CONTEXT = ListenerContext(recent_plays=tuple(RecentPlay("x", skipped=n % 3 == 0) for n in range(20)))
SILENT = LinkObservations((Transfer(250_000.0, 1.0), Transfer(21_000.0, 1.1)), 500.0, (3.0, 9.5))
SLOW = LinkObservations((Transfer(15_000.0, 1.0),), 60.0, (1.5,))


@pytest.fixture
async def client(settings: ServerSettings) -> AsyncIterator[PredictionClient]:
    async with (
        app.running(settings, lambda _line: None) as address,
        PredictionClient(address, connections=1) as client,
    ):
        yield client


@pytest.fixture
def queue(settings: ServerSettings) -> list[QueuedTrack]:
    """The catalogue's tracks as a player knows them, the third one cached in part."""
    tracks = read_catalogue(settings.data_directory).tracks
    rows = zip(tracks["id"], tracks["duration_ms"] / 1000, tracks["storage_class"], strict=True)
    queue = [QueuedTrack(*row) for row in rows]
    queue[2] = queue[2]._replace(cached_bytes=123_456)
    return queue


@pytest.mark.parametrize("link", [LinkObservations(), SILENT, SLOW], ids=["unseen", "silent", "slow"])
@pytest.mark.parametrize("ration", [None, Ration(Objective.BYTES, 0.3), Ration(Objective.PLAYS, 0.01)])
async def test_the_servers_plan_is_the_client_librarys_to_the_byte(
    client: PredictionClient, queue: list[QueuedTrack], link: LinkObservations, ration: Ration | None
) -> None:
    delivery, weights = Delivery(rtt_ms=80.0, slow_ms=900.0), ScoreWeights(2.0, 0.4)
    stranger = QueuedTrack("in no catalogue", 180.0, "SLOW")
    playing, coming = queue[0], [*queue[1:9], stranger, queue[3], queue[0]]
    local = PrefetchClient(client, ["rock"], delivery, weights, deadline_s=30.0, seen=link)
    advice = await local.on_play(
        playing, coming, free_bytes=30_000_000, context=CONTEXT, at_s=12.5, ration=ration
    )
    assert not advice.fallback_reason
    assert advice.plan.fetches
    play = Play(playing, coming, 30_000_000, delivery, 12.5, local.link.observations(), ration)
    asked = await client.plan_prefetch(play, ["rock"], context=CONTEXT, weights=weights)
    assert asked.plan == advice.plan
    assert (asked.model, asked.version) == (advice.model, advice.version)
    assert asked.unknown_track_ids == ("in no catalogue",)


async def test_what_the_request_leaves_out_is_the_catalogues(
    client: PredictionClient, queue: list[QueuedTrack]
) -> None:
    told = Play(queue[0], queue[1:6], 30_000_000, link=SLOW)
    short = [QueuedTrack(it.track_id, 0.0, None, it.cached_bytes) for it in queue[:6]]
    asked = Play(short[0], short[1:], 30_000_000, link=SLOW)
    assert (await client.plan_prefetch(asked, [])).plan == (await client.plan_prefetch(told, [])).plan


async def test_an_unknown_track_without_a_duration_is_left_out_and_named(
    client: PredictionClient, queue: list[QueuedTrack]
) -> None:
    asked = await client.plan_prefetch(
        Play(QueuedTrack("a", 0.0), [QueuedTrack("b", 0.0), queue[1]], 10_000_000), []
    )
    assert asked.unknown_track_ids == ("a", "b")
    assert [fetch.track_id for fetch in asked.plan.fetches] == [queue[1].track_id]
    assert asked.plan.ahead is None


async def test_a_json_rendering_of_a_plan_shows_zeros_too(serving: Any, track_ids: list[str]) -> None:
    request = pb.PlanPrefetchRequest(
        playing=pb.QueuedTrack(track_id=track_ids[0]),
        queue=[pb.QueuedTrack(track_id=track_ids[1])],
        playing_at_s=1e6,
        free_bytes=10**7,
        ration=pb.Ration(objective=pb.Ration.OBJECTIVE_BYTES),
    )
    async with serving() as stub:
        shown = json_format.MessageToDict(await stub.PlanPrefetch(request), preserving_proto_field_name=True)
    (fetch,) = shown["fetches"]
    assert (fetch["first_byte"], fetch["latest_start_s"]) == ("0", 0.0)
    assert all("from_s" in step for step in shown["ahead"])


async def test_errors_are_those_of_the_other_methods(
    client: PredictionClient, queue: list[QueuedTrack]
) -> None:
    play = Play(queue[0], queue[1:3], 1_000_000)
    with pytest.raises(NotFoundError, match="nobody"):
        await client.plan_prefetch(play, [], model="nobody")
    with pytest.raises(NotFoundError, match="version '99'"):
        await client.plan_prefetch(play, [], model="simple", version="99")
    assert (await client.plan_prefetch(play, [], model="simple", version="1")).model == "simple"
    with pytest.raises(InvalidRequest) as caught:
        await client.plan_prefetch(Play(queue[0], [QueuedTrack("", 1.0)], -1), [])
    assert [it.field for it in caught.value.violations] == ["queue[0].track_id", "free_bytes"]


async def test_plans_count_among_the_calls_and_their_limit(
    serving: Any, track_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = CallCounts()
    monkeypatch.setattr("server.app.CallCounts", lambda: counts)
    began, go_on = threading.Event(), threading.Event()

    def stuck(_self: PredictionServicer, _request: object, _complete: object) -> pb.PlanPrefetchResponse:
        began.set()
        assert go_on.wait(60)
        return pb.PlanPrefetchResponse()

    async with serving(max_in_flight=1) as stub:
        request = pb.PlanPrefetchRequest(playing=pb.QueuedTrack(track_id=track_ids[0]))
        await stub.PlanPrefetch(request)
        assert counts.ended["PlanPrefetch", "advanced", "OK", "anonymous"].total > 0
        monkeypatch.setattr(servicer, "_MAX_CHUNKS_AT_ONCE", -1)
        monkeypatch.setattr(PredictionServicer, "_plan_prefetch", stuck)
        under_way = asyncio.ensure_future(stub.PlanPrefetch(request))
        await asyncio.to_thread(began.wait, 60)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.PlanPrefetch(request)
        go_on.set()
        await under_way
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        rich = status_pb2.Status.FromString(
            dict(caught.value.trailing_metadata() or ())["grpc-status-details-bin"]
        )
        assert rich.details[0].Is(error_details_pb2.RetryInfo.DESCRIPTOR)


async def test_the_largest_request_is_planned_off_the_event_loop_within_four_megabytes(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside: list[str] = []
    run = FairThread.run

    async def spied(self: FairThread, kind: str, *rest: Any) -> Any:
        beside.append(kind)
        return await run(self, kind, *rest)

    monkeypatch.setattr(FairThread, "run", spied)
    queue = [pb.QueuedTrack(track_id=f"{n:0200}", duration_ms=499_000) for n in range(200)]
    request = pb.PlanPrefetchRequest(
        playing=pb.QueuedTrack(track_id="playing", duration_ms=499_000),
        queue=queue,
        free_bytes=2**53,
        link=pb.LinkObservations(transfers=[pb.Transfer(size_bytes=10_000, duration_s=1.0)]),
        waste_per_mbit=0.0,
    )
    async with serving() as stub:
        answer = await stub.PlanPrefetch(request)
    assert beside == ["plan"]
    assert {fetch.track_id for fetch in answer.fetches} == {it.track_id for it in queue}
    assert answer.ByteSize() <= limits.MAX_ANSWER_BYTES
    longest = pb.Fetch(track_id="\U0001f3b5" * 200, first_byte=2**53, last_byte=2**53, latest_start_s=1.5)
    most = pb.PlanPrefetchResponse(
        fetches=[longest] * limits.MAX_FETCHES, unknown_track_ids=[longest.track_id] * 201
    )
    assert most.ByteSize() <= limits.MAX_ANSWER_BYTES


def test_an_observer_keeps_as_much_as_the_contract_takes() -> None:
    assert limits.MAX_TRANSFERS == link_observer.MOST_TRANSFERS
    assert limits.MAX_SILENCES == link_observer.MOST_SILENCES


NUMBERS = st.sampled_from([0.0, 5e-324, 1e-9, 0.5, 2.0, 1e6, 1e9]) | st.floats(0.0, 1e9)
PRICES = st.sampled_from([0.0, 5e-324, 1.0, 1e6]) | st.floats(0.0, 1e6)
WHOLE = st.sampled_from([0, 1, 40_000, 2**53]) | st.integers(0, 10**7)
TRACKS = st.builds(
    pb.QueuedTrack,
    track_id=st.sampled_from(["a", "b", "c", "x" * 200]),
    duration_ms=st.sampled_from([0, 1, 2_000, 86_400_000]) | st.integers(0, 400_000),
    storage_class=st.sampled_from([0, 1, 2, 3]),
    cached_bytes=WHOLE,
)
REQUESTS = st.builds(
    pb.PlanPrefetchRequest,
    playing=TRACKS,
    playing_at_s=NUMBERS,
    queue=st.lists(TRACKS, max_size=5),
    free_bytes=WHOLE,
    link=st.builds(
        pb.LinkObservations,
        transfers=st.lists(st.builds(pb.Transfer, size_bytes=NUMBERS, duration_s=NUMBERS), max_size=3),
        watched_s=NUMBERS,
        silences_s=st.lists(NUMBERS, max_size=3),
    ),
    delivery=st.builds(
        pb.AudioDelivery,
        audio_bytes_per_s=st.none() | st.sampled_from([1.0, 20_000.0, 1e9]),
        chunk_s=st.none() | st.sampled_from([0.01, 2.0, 3_600.0]),
        slow_ms=st.none() | st.sampled_from([0.0, 500.0, 3_600_000.0]),
    ),
    wait_per_s=st.none() | PRICES,
    waste_per_mbit=st.none() | PRICES,
    ration=st.none() | st.builds(pb.Ration, objective=st.sampled_from([1, 2]), price=PRICES),
)


@hypothesis.settings(deadline=None, max_examples=300)
@given(REQUESTS)
def test_whatever_the_contract_allows_gets_a_plan_that_an_answer_can_carry(
    request: pb.PlanPrefetchRequest,
) -> None:
    check_plan_prefetch(request)
    play = sensible(convert.play_of(request))
    plan = plan_of(play, {}, ListenerRecord(), convert.weights_of(request))
    answer = convert.plan_prefetch_response(PlannedPlay(plan, [], "", ""))
    assert all(0 <= it.first_byte <= it.last_byte for it in answer.fetches)
    assert sum(it.last_byte - it.first_byte + 1 for it in answer.fetches) <= request.free_bytes
    assert all(math.isfinite(it.latest_start_s) and it.latest_start_s >= 0 for it in answer.fetches)
    assert all(math.isfinite(it.from_s) and math.isfinite(it.ahead_s) for it in answer.ahead)
