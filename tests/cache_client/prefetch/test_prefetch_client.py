"""The online client: one call a play, and a plan whatever the server does."""

import asyncio
import math
from typing import cast

import grpc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cache_client import (
    Advice,
    Delivery,
    Objective,
    PredictionClient,
    PrefetchClient,
    QueuedTrack,
    Ration,
    ScoreWeights,
)
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
        assert impatient[-1].ahead_s < patient[-1].ahead_s
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


NASTY = st.sampled_from([0.0, -0.0, -1.0, 5e-324, 1e-9, 1e300, math.inf, -math.inf, math.nan])
NUMBERS = NASTY | st.floats(allow_nan=True, allow_infinity=True) | st.floats(1.0, 600.0)
TRACKS = st.builds(
    QueuedTrack,
    track_id=st.sampled_from(["", "loved", "liked", "nobody", "x" * 201]),
    duration_s=NUMBERS,
    storage_class=st.sampled_from([None, "FAST", "MEDIUM", "SLOW", "TAPE"]),
    cached_bytes=NUMBERS | st.integers(-(10**30), 10**30),
)


class NoServer:
    """A client whose every call fails: what is planned is the local rule's."""

    target, is_connected = "nowhere:1", False


@example(QueuedTrack("", 0.0), [], 0, 0.0, [(5e-324, 1e300)], None)
@example(QueuedTrack("", 0.0), [], 0, 0.0, [(1e300, 5e-324)] * 3, None)
@given(
    playing=TRACKS,
    queue=st.lists(TRACKS, max_size=6),
    free_bytes=NUMBERS | st.integers(-(10**30), 10**30),
    at_s=NUMBERS,
    reads=st.lists(st.tuples(NUMBERS, NUMBERS), max_size=4),
    ration=st.none() | st.builds(Ration, st.sampled_from(Objective), NUMBERS),
)
def test_whatever_a_player_says_it_gets_a_plan_that_can_be_kept(
    playing: QueuedTrack,
    queue: list[QueuedTrack],
    free_bytes: float,
    at_s: float,
    reads: list[tuple[float, float]],
    ration: Ration | None,
) -> None:
    prefetch = PrefetchClient(cast(PredictionClient, NoServer()))
    for size_bytes, duration_s in reads:
        prefetch.link.received(size_bytes, duration_s)
        prefetch.link.paced(duration_s)
    asked = prefetch.on_play(playing, queue, free_bytes=cast(int, free_bytes), at_s=at_s, ration=ration)
    plan = asyncio.run(asked).plan
    sizes: dict[str, int] = {}
    for it in queue:
        if 0.001 <= it.duration_s <= 86_400.0:  # of a repeated track the first counts
            sizes.setdefault(it.track_id, prefetch.delivery.size_bytes(it.duration_s))
    for fetch in plan.fetches:
        assert fetch.track_id != playing.track_id
        assert 0 <= fetch.first_byte <= fetch.last_byte < sizes[fetch.track_id]
        assert 0.0 <= fetch.latest_start_s < math.inf
    assert sum(fetch.size_bytes for fetch in plan.fetches) <= max(0, free_bytes)
    assert all(math.isfinite(step.from_s) and math.isfinite(step.ahead_s) for step in plan.ahead or ())


@pytest.mark.parametrize("duration_s", [0.0, -3.0, math.nan, math.inf, -math.inf, 1e300])
async def test_a_track_without_a_length_is_left_out_and_a_playing_one_is_streamed_as_ever(
    prefetch: PrefetchClient, duration_s: float
) -> None:
    lost = QueuedTrack("nobody", duration_s, "SLOW")
    advice = await prefetch.on_play(PLAYING, [lost, *QUEUE[:1]], free_bytes=50_000_000)
    assert (advice.model, [fetch.track_id for fetch in advice.plan.fetches]) == ("simple", ["liked"])
    advice = await prefetch.on_play(lost, QUEUE[:1], free_bytes=50_000_000)
    assert (advice.plan.ahead, [fetch.track_id for fetch in advice.plan.fetches]) == (None, ["liked"])
    assert advice.plan.fetches[0].latest_start_s == 0.0, "nobody knows when the track ends: at once"


@pytest.mark.parametrize("free_bytes", [0, -1, math.nan, -math.inf])
async def test_no_room_is_no_fetch(prefetch: PrefetchClient, free_bytes: float) -> None:
    advice = await prefetch.on_play(PLAYING, QUEUE, free_bytes=cast(int, free_bytes))
    assert (advice.plan.fetches, advice.fallback_reason) == ((), "")


async def test_what_is_cached_without_end_needs_no_fetch(prefetch: PrefetchClient) -> None:
    for cached_bytes in (10**30, math.inf):
        queue = [QUEUE[0]._replace(cached_bytes=cast(int, cached_bytes))]
        advice = await prefetch.on_play(PLAYING, queue, free_bytes=10**30)
        assert (advice.plan.fetches, advice.fallback_reason) == ((), "")


async def test_a_queue_over_the_limit_and_tracks_without_an_id_cost_no_answer(
    prefetch: PrefetchClient, servicer: ScriptedServicer
) -> None:
    queue = [QueuedTrack("", 200.0), *QUEUE, QueuedTrack("x" * 201, 200.0)]
    queue += [QueuedTrack(f"{n}", 200.0) for n in range(2_000)]
    advice = await prefetch.on_play(PLAYING, queue, free_bytes=50_000_000)
    assert advice.model == "simple"
    (sent,) = servicer.requests
    assert len(sent.track_ids) == 201
    assert list(sent.track_ids[:4]) == ["loved", "liked", "nobody", "0"]


async def test_nothing_that_a_server_could_know_is_no_question(
    prefetch: PrefetchClient, servicer: ScriptedServicer
) -> None:
    advice = await prefetch.on_play(QueuedTrack("", 200.0), [], free_bytes=50_000_000)
    assert advice.fallback_reason == "no track to ask about"
    assert not servicer.requests, "to rank no track is to rank the catalogue"


async def test_what_the_embedder_saw_of_its_link_is_in_the_plan(prefetch: PrefetchClient) -> None:
    unseen = (await prefetch.on_play(PLAYING, QUEUE, free_bytes=50_000_000)).plan
    prefetch.link.play_began()
    for _ in range(10):
        prefetch.link.received(12_000, 1.0)  # the audio takes 20,000 a second
    slow = (await prefetch.on_play(PLAYING, QUEUE, free_bytes=50_000_000)).plan
    assert sum(it.size_bytes for it in slow.fetches) > sum(it.size_bytes for it in unseen.fetches)
    resumed = PrefetchClient(prefetch.client, ["jazz"], deadline_s=5.0, seen=prefetch.link.observations())
    assert (await resumed.on_play(PLAYING, QUEUE, free_bytes=50_000_000)).plan == slow


async def test_a_price_of_bytes_buys_whole_tracks(prefetch: PrefetchClient) -> None:
    cheap, dear = [
        (await prefetch.on_play(PLAYING, QUEUE, free_bytes=50_000_000, ration=Ration(objective, price))).plan
        for objective, price in ((Objective.BYTES, 0.1), (Objective.PLAYS, 0.9))
    ]
    assert [(it.first_byte, it.last_byte) for it in cheap.fetches] == [(0, 3_999_999)] * 2
    assert dear.fetches == ()


async def test_a_place_in_the_track_brings_the_next_one_nearer(prefetch: PrefetchClient) -> None:
    early, late = [
        (await prefetch.on_play(PLAYING, QUEUE, free_bytes=50_000_000, at_s=at_s)).plan
        for at_s in (0.0, 150.0)
    ]
    assert late.fetches[0].latest_start_s == pytest.approx(early.fetches[0].latest_start_s - 150.0)
    assert late.ahead is not None
    assert late.ahead[0].from_s == 150.0


@pytest.mark.parametrize(
    "settings",
    [
        {"bit_rate_bit_per_s": 0.0},
        {"bit_rate_bit_per_s": math.nan},
        {"bit_rate_bit_per_s": math.inf},
        {"chunk_s": 0.0},
        {"chunk_s": -2.0},
        {"rtt_ms": -1.0},
        {"slow_ms": math.inf},
        {"buffer_ahead_s": math.nan},
    ],
)
def test_settings_that_no_player_can_have_are_refused_before_a_play(settings: dict[str, float]) -> None:
    (name,) = settings
    with pytest.raises(ValueError, match=f"{name} is .*, not a number from"):
        Delivery(**settings)


@pytest.mark.parametrize("weights", [{"wait_per_s": -1.0}, {"waste_per_mbit": math.nan}])
def test_prices_that_cannot_be_are_refused(weights: dict[str, float]) -> None:
    (name,) = weights
    with pytest.raises(ValueError, match=f"{name} is .*, not a number from"):
        ScoreWeights(**weights)
