"""Predictions for sessions, against a real server."""

import pytest

from cache_client.client import PredictionClient
from cache_client.errors import NotFound
from cache_client.predictions import predict_sessions
from cache_client.simulator import Track
from tests.cache_client.scripted_server import ScriptedServicer
from tests.cache_client.traces import session

SESSION = session([("loved", 60.0, 60.0), ("nobody", 60.0, 5.0), ("loved", 60.0, 60.0)])


async def test_a_session_is_asked_for_once_with_all_that_its_queue_can_show(
    client: PredictionClient, servicer: ScriptedServicer
) -> None:
    longer = session([("loved", 60.0, 60.0)], continuation=[Track("disliked", 60.0, None)])
    found = await predict_sessions(client, [SESSION, longer])
    assert found.probabilities == [{"loved": 0.9}, {"loved": 0.9, "disliked": 0.2}]
    assert found.unknown_track_ids == {"nobody"}
    assert (found.model, found.version) == ("simple", "1")
    # The calls run side by side and may arrive in any order.
    asked = sorted(list(request.track_ids) for request in servicer.requests)
    assert asked == [["loved", "disliked"], ["loved", "nobody"]]


async def test_over_a_thousand_tracks_take_several_calls(
    client: PredictionClient, servicer: ScriptedServicer
) -> None:
    servicer.knows_everything = True
    names = [f"t{number}" for number in range(1_001)]
    (probabilities,) = (
        await predict_sessions(client, [session([(n, 60.0, 1.0) for n in names])])
    ).probabilities
    assert set(probabilities) == set(names)
    assert [len(request.track_ids) for request in servicer.requests] == [1_000, 1]


async def test_a_failure_is_the_clients_own_error(client: PredictionClient) -> None:
    with pytest.raises(NotFound, match="unknown model 'magic'"):
        await predict_sessions(client, [SESSION] * 5, model="magic")
