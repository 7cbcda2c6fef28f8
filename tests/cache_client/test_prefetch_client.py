"""The online client: one call a play, and a plan whatever the server does."""

import pytest

from cache_client import PredictionClient, PrefetchClient, QueuedTrack
from cache_client.messages import ListenerContext, RecentPlay
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


async def test_a_plan_fits_the_free_bytes_and_an_empty_queue_gets_none(prefetch: PrefetchClient) -> None:
    advice = await prefetch.on_play(PLAYING, QUEUE, free_bytes=1_000)
    assert sum(fetch.size_bytes for fetch in advice.plan.fetches) <= 1_000
    assert (await prefetch.on_play(PLAYING, [], free_bytes=50_000_000)).plan.fetches == ()
