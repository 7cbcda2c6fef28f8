"""Predictions for offers, against a real server."""

import pytest

from cache_client.laboratory_errors import UsageError
from cache_client.prefetch.track_predictions import CURVE_AT_S
from cache_client.rationed.predictions import predict_offers, serving_models
from cache_client.rpc.client import PredictionClient
from playthrough.v1 import prediction_service_pb2 as pb
from tests.cache_client.rationed.made_offers import offer
from tests.cache_client.scripted_server import ScriptedServicer


async def test_each_offer_is_asked_for_alone_with_its_context_and_taken_as_it_is(
    client: PredictionClient, servicer: ScriptedServicer
) -> None:
    hasty = offer("loved", recent=(("x", True),) * 50)
    models = serving_models(await client.list_models(), "")
    found = await predict_offers(client, [hasty, offer("nobody")], models)
    loved, nobody = found.by_model["simple"]
    assert loved is not None
    assert loved.play_through_probability == pytest.approx(0.9)  # not fitted to the listener
    assert nobody is None
    assert (found.advisor, found.versions) == ("simple", {"simple": "1"})
    asked = [it for it in servicer.requests if isinstance(it, pb.RankTracksRequest)]
    assert sorted(list(it.track_ids) for it in asked) == [["loved"], ["nobody"]]
    assert all(len(it.listening_curve_at_s) == len(CURVE_AT_S) for it in asked)
    assert {len(it.context.recent_plays) for it in asked} == {0, 50}


async def test_a_model_that_does_not_serve_is_refused(client: PredictionClient) -> None:
    with pytest.raises(UsageError, match="serves no model 'magic'"):
        serving_models(await client.list_models(), "magic")
