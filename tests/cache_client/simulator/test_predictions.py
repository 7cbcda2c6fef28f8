"""Predictions for sessions, against a real server."""

from dataclasses import replace

import pytest

from cache_client.rpc.client import PredictionClient
from cache_client.rpc.errors import NotFoundError
from cache_client.rpc.messages import ListenerContext, RecentPlay
from cache_client.simulator import Track
from cache_client.simulator.predictions import predict_sessions
from playthrough.v1 import prediction_service_pb2 as pb
from tests.cache_client.scripted_server import ScriptedServicer
from tests.cache_client.traces import session

SESSION = session([("loved", 60.0, 60.0), ("nobody", 60.0, 5.0), ("loved", 60.0, 60.0)])


async def test_each_play_is_asked_for_with_the_queue_that_it_shows(
    client: PredictionClient, servicer: ScriptedServicer
) -> None:
    longer = session([("loved", 60.0, 60.0)], continuation=[Track("disliked", 60.0, None)])
    found = await predict_sessions(client, [SESSION, longer], horizon=1)
    assert [[sorted(said) for said in by_play] for by_play in found.by_session] == [
        [["loved"], ["loved"], ["loved"]],
        [["disliked", "loved"]],
    ]
    assert found.by_session[1][0]["disliked"].play_through_probability == 0.2
    assert found.unknown_track_ids == {"nobody"}
    assert (found.model, found.version) == ("simple", "1")
    # The calls of two sessions run side by side and may arrive in any order.
    asked = sorted(list(it.track_ids) for it in servicer.requests if isinstance(it, pb.RankTracksRequest))
    assert asked == [["loved"], ["loved", "disliked"], ["loved", "nobody"], ["nobody", "loved"]]


async def test_what_a_model_says_is_fitted_to_the_listener(client: PredictionClient) -> None:
    skips = ListenerContext(recent_plays=(RecentPlay("x", True),) * 50)
    impatient = replace(session([("loved", 60.0, 60.0)]), contexts=(skips,))
    found = await predict_sessions(client, [impatient], horizon=1)
    assert found.by_session[0][0]["loved"].play_through_probability < 0.2


async def test_a_failure_is_the_clients_own_error(client: PredictionClient) -> None:
    with pytest.raises(NotFoundError, match="unknown model 'magic'"):
        await predict_sessions(client, [SESSION] * 5, horizon=2, model="magic")
