"""The online client: one call a play, and a plan whatever the server does."""

import asyncio
import math

import grpc
import pytest

from cache_client import Advice, PredictionClient, PrefetchClient, QueuedTrack
from cache_client.rpc.messages import ListenerContext, RecentPlay
from playthrough.v1 import prediction_service_pb2 as pb
from tests.cache_client.scripted_server import ScriptedServicer

PLAYING = QueuedTrack("loved", 200.0, "SLOW")
QUEUE = [QueuedTrack("liked", 200.0, "SLOW"), QueuedTrack("nobody", 200.0), QueuedTrack("loved", 200.0)]
PATIENT = ListenerContext(recent_plays=(RecentPlay("x", False),) * 100)
IMPATIENT = ListenerContext(recent_plays=(RecentPlay("x", True),) * 100)


@pytest.fixture
def prefetch(client: PredictionClient) -> PrefetchClient:
    return PrefetchClient(client, ["jazz"], deadline_s=5.0)


async def test_a_play_costs_one_rank_call_and_gets_a_plan(
    prefetch: PrefetchClient, servicer: ScriptedServicer
) -> None:
    for _ in range(2):
        advice = await prefetch.on_play(PLAYING, QUEUE, free_bytes=50_000_000)
        assert (advice.model, advice.version) == ("simple", "1")
        assert advice.plan.fetches[0].track_id == "liked"
        assert advice.plan.ahead is not None
    calls = [it for it in servicer.requests if isinstance(it, pb.RankTracksRequest)]
    # The playing track and the queue, each track once.
    assert [list(call.track_ids) for call in calls] == [["loved", "liked", "nobody"]] * 2


async def test_a_server_that_is_too_slow_or_away_leaves_the_listeners_own_rate(
    prefetch: PrefetchClient, client: PredictionClient, servicer: ScriptedServicer
) -> None:
    servicer.delay_s = 5.0
    hurried = PrefetchClient(client, deadline_s=0.05)
    away = PrefetchClient(PredictionClient("127.0.0.1:9", deadline_s=0.2), deadline_s=5.0)
    for fallback in (hurried, away):
        advice = await fallback.on_play(PLAYING, QUEUE, free_bytes=50_000_000, context=PATIENT)
        assert advice.model == ""
        assert [fetch.track_id for fetch in advice.plan.fetches] == ["liked"]
        patient = advice.plan.ahead
        impatient = (
            await fallback.on_play(PLAYING, QUEUE, free_bytes=50_000_000, context=IMPATIENT)
        ).plan.ahead
        assert patient is not None
        assert impatient is not None
        assert impatient[0].ahead_s < patient[0].ahead_s
    await away.client.close()


async def test_a_server_that_is_not_there_is_not_told_as_a_slow_one(
    client: PredictionClient, servicer: ScriptedServicer
) -> None:
    async with PredictionClient("127.0.0.1:9") as away:
        advice = await PrefetchClient(away, deadline_s=0.05).on_play(PLAYING, QUEUE, free_bytes=50_000_000)
    assert "127.0.0.1:9 is unavailable" in advice.fallback_reason
    await client.predict("loved", [])
    servicer.delay_s = 60.0
    hurried = PrefetchClient(client, deadline_s=0.05)
    advice = await hurried.on_play(PLAYING, QUEUE, free_bytes=50_000_000)
    assert "did not answer within 0.05 s" in advice.fallback_reason


def test_one_string_is_no_list_of_genres(client: PredictionClient) -> None:
    with pytest.raises(TypeError, match="favourite_genres takes a list of strings"):
        PrefetchClient(client, "jazz")


async def test_a_plan_fits_the_free_bytes_and_an_empty_queue_gets_none(prefetch: PrefetchClient) -> None:
    advice = await prefetch.on_play(PLAYING, QUEUE, free_bytes=1_000)
    assert sum(fetch.size_bytes for fetch in advice.plan.fetches) <= 1_000
    assert (await prefetch.on_play(PLAYING, [], free_bytes=50_000_000)).plan.fetches == ()


def planned_bytes(advice: Advice) -> int:
    return sum(fetch.size_bytes for fetch in advice.plan.fetches)


@pytest.mark.parametrize("code", [it for it in grpc.StatusCode if it is not grpc.StatusCode.OK])
async def test_whatever_status_the_server_ends_the_call_with_there_is_a_plan(
    prefetch: PrefetchClient, servicer: ScriptedServicer, code: grpc.StatusCode
) -> None:
    servicer.status = code
    advice = await prefetch.on_play(PLAYING, QUEUE, free_bytes=50_000_000)
    assert (advice.model, [fetch.track_id for fetch in advice.plan.fetches]) == ("", ["liked"])
    assert advice.fallback_reason


async def test_a_closed_client_falls_back_and_so_does_a_call_that_it_interrupts(
    prefetch: PrefetchClient, client: PredictionClient, servicer: ScriptedServicer
) -> None:
    servicer.delay_s = 60.0
    under_way = asyncio.create_task(prefetch.on_play(PLAYING, QUEUE, free_bytes=50_000_000))
    await servicer.asked.wait()
    await client.close()
    for advice in (await under_way, await prefetch.on_play(PLAYING, QUEUE, free_bytes=50_000_000)):
        assert [fetch.track_id for fetch in advice.plan.fetches] == ["liked"]
        assert "closed" in advice.fallback_reason


async def test_a_caller_that_gives_up_is_not_held_back(
    prefetch: PrefetchClient, servicer: ScriptedServicer
) -> None:
    servicer.delay_s = 60.0
    under_way = asyncio.create_task(prefetch.on_play(PLAYING, QUEUE, free_bytes=50_000_000))
    await servicer.asked.wait()
    under_way.cancel()
    with pytest.raises(asyncio.CancelledError):
        await under_way


@pytest.mark.parametrize(
    ("probability", "curve"),
    [
        (math.nan, ()),
        (math.inf, ()),
        (-0.5, ()),
        (1.5, ()),
        (0.7, (0.5,)),
        (0.7, (math.nan,) * 9),
        (0.7, (2.0,) * 9),
        (0.7, (-1.0,) * 9),
        (0.7, tuple(n / 10 for n in range(9))),
        (0.7, (0.9,) * 1_000),
    ],
)
async def test_an_answer_that_makes_no_sense_is_as_good_as_none(
    prefetch: PrefetchClient, servicer: ScriptedServicer, probability: float, curve: tuple[float, ...]
) -> None:
    tracks = [
        pb.RankedTrack(track_id=name, play_through_probability=probability, listening_curve=curve)
        for name in ("loved", "liked", "never asked for")
    ]
    servicer.ranking = pb.RankTracksResponse(tracks=tracks, model="simple", version="1")
    advice = await prefetch.on_play(PLAYING, QUEUE, free_bytes=50_000_000)
    servicer.ranking = pb.RankTracksResponse(
        tracks=[pb.RankedTrack(track_id=name, play_through_probability=0.7) for name in ("loved", "liked")]
        if probability == 0.7
        else [],
        model="simple",
        version="1",
    )
    sensible = await prefetch.on_play(PLAYING, QUEUE, free_bytes=50_000_000)
    assert advice.plan == sensible.plan
    assert [fetch.track_id for fetch in advice.plan.fetches] == ["liked"]


async def test_what_no_message_can_hold_still_gets_a_plan(prefetch: PrefetchClient) -> None:
    broken = QueuedTrack("\ud800", 200.0, "SLOW")
    advice = await prefetch.on_play(PLAYING, [broken], free_bytes=50_000_000)
    assert [fetch.track_id for fetch in advice.plan.fetches] == ["\ud800"]
    assert advice.fallback_reason


@pytest.mark.parametrize("delay_s", [0.0, 60.0])
async def test_a_thousand_plays_at_once_each_get_a_plan(
    client: PredictionClient, servicer: ScriptedServicer, delay_s: float
) -> None:
    servicer.delay_s = delay_s
    prefetch = PrefetchClient(client, deadline_s=0.05 if delay_s else 60.0)
    calls = (prefetch.on_play(PLAYING, QUEUE, free_bytes=50_000_000) for _ in range(1_000))
    advised = await asyncio.gather(*calls)
    assert {advice.model for advice in advised} == {"" if delay_s else "simple"}
    assert all(planned_bytes(advice) > 0 for advice in advised)


async def test_what_a_player_cannot_have_cached_begins_no_fetch_before_the_track(
    client: PredictionClient,
) -> None:
    queue = [track._replace(cached_bytes=-5) for track in QUEUE]
    advice = await PrefetchClient(client).on_play(PLAYING, queue, free_bytes=50_000_000)
    assert advice.plan.fetches
    assert all(fetch.first_byte >= 0 for fetch in advice.plan.fetches)
