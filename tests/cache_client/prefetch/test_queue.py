"""What a queue's request holds: all that the contract takes of what a device knows, and nothing else."""

import pytest

from cache_client.prefetch.queue import predict_queue
from cache_client.rpc.client import PredictionClient
from cache_client.rpc.messages import ListenerContext, RecentPlay
from playthrough.v1.limits import MAX_FAVOURITE_GENRES, MAX_RECENT_PLAYS, MAX_STRING_LENGTH
from server.rpc.validation import check_rank_tracks
from tests.cache_client.scripted_server import ScriptedServicer

LONG = "x" * (MAX_STRING_LENGTH + 1)
HISTORY = tuple(RecentPlay(f"track {n}", n % 3 == 0) for n in range(MAX_RECENT_PLAYS + 50))


async def test_of_a_long_history_and_many_genres_the_newest_and_first_are_sent(
    client: PredictionClient, servicer: ScriptedServicer
) -> None:
    genres = ["jazz", "jazz", *(f"genre {n}" for n in range(MAX_FAVOURITE_GENRES + 20))]
    found = await predict_queue(client, ["loved"], genres, ListenerContext(True, HISTORY, False, 3))
    assert list(found.tracks) == ["loved"]
    (sent,) = servicer.requests
    check_rank_tracks(sent)
    assert [it.track_id for it in sent.context.recent_plays] == [it.track_id for it in HISTORY[50:]]
    assert list(sent.favourite_genres) == list(dict.fromkeys(genres))[:MAX_FAVOURITE_GENRES]
    assert (sent.context.premium, sent.context.position) == (True, 3)


async def test_names_that_the_contract_refuses_do_not_stop_the_others(
    client: PredictionClient, servicer: ScriptedServicer
) -> None:
    recent = (RecentPlay("", True), *HISTORY[:2], RecentPlay(LONG, False))
    context = ListenerContext(recent_plays=recent)
    found = await predict_queue(client, ["loved", LONG, "", "liked"], ["", LONG, "jazz"], context)
    assert sorted(found.tracks) == ["liked", "loved"]
    (sent,) = servicer.requests
    check_rank_tracks(sent)
    assert list(sent.favourite_genres) == ["jazz"]
    assert [it.track_id for it in sent.context.recent_plays] == ["track 0", "track 1"]


async def test_a_queue_of_which_nothing_can_be_sent_does_not_ask_for_the_catalogue(
    client: PredictionClient, servicer: ScriptedServicer
) -> None:
    await predict_queue(client, [""], ["jazz"], ListenerContext())
    assert list(servicer.requests[0].track_ids) == [""]


async def test_one_string_of_genres_is_no_list(client: PredictionClient) -> None:
    with pytest.raises(TypeError, match="favourite_genres takes a list of strings"):
        await predict_queue(client, ["loved"], "jazz", ListenerContext())
