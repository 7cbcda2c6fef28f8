"""Recorded plays as live traffic, against a real server."""

from datetime import datetime, timedelta

import pandas as pd

from cache_client.replay.traffic import replay_traffic
from cache_client.rpc.client import PredictionClient
from playthrough.v1 import prediction_service_pb2 as pb
from tests.cache_client.scripted_server import ScriptedServicer

NOON = datetime(2024, 1, 1, 12)
# (session, position, listener, track, minute, skipped, listened_s)
ROWS = [
    (1, 0, 7, "loved", 0, False, 60.0),
    (2, 0, 8, "loved", 1, True, 6.0),
    (1, 1, 7, "disliked", 2, True, 1.5),
    (1, 2, 7, "nobody", 3, False, 60.0),
    (2, 1, 8, "liked", 4, False, 60.0),
]
PLAYS = pd.DataFrame(
    {
        "session_id": [row[0] for row in ROWS],
        "position": [row[1] for row in ROWS],
        "listener_id": [row[2] for row in ROWS],
        "track_id": [row[3] for row in ROWS],
        "started_at": [NOON + timedelta(minutes=row[4]) for row in ROWS],
        "skipped": [row[5] for row in ROWS],
        "listened_s": [row[6] for row in ROWS],
        "duration_s": [60.0] * 5,
        "advertisement_before": [False, False, True, False, False],
        "favourite_genres": [["jazz"]] * 5,
        "premium": [row[2] == 7 for row in ROWS],
    }
)


async def test_outcomes_are_the_recorded_truth_and_accuracy_counts_them(
    client: PredictionClient, servicer: ScriptedServicer
) -> None:
    report = await replay_traffic(client, PLAYS, holdout=1.0)
    assert (report.plays, report.unknown_tracks) == (5, 1)
    assert sorted(servicer.outcomes.values()) == [
        (False, 60_000),
        (False, 60_000),
        (True, 1_500),
        (True, 6_000),
    ]
    # Right about 7's two plays and 8's second one; "loved" was not expected to be skipped by 8.
    assert report.n == {("simple", "1"): 4}
    assert report.right == {("simple", "1"): 3}


async def test_a_listeners_plays_go_in_order_with_only_what_was_known(
    client: PredictionClient, servicer: ScriptedServicer
) -> None:
    await replay_traffic(client, PLAYS, holdout=1.0, concurrency=2)
    asked = [r for r in servicer.requests if isinstance(r, pb.PredictRandomRequest) and r.listener_id == "7"]
    assert [request.track_id for request in asked] == ["loved", "disliked", "nobody"]
    known = [[(p.track_id, p.skipped) for p in request.context.recent_plays] for request in asked]
    assert known == [[], [("loved", False)], [("loved", False), ("disliked", True)]]
    assert [request.context.position for request in asked] == [0, 1, 2]
    assert [request.context.advertisement_before for request in asked] == [False, True, False]
    assert all(request.context.premium for request in asked)


async def test_a_limit_sends_the_earliest_plays(client: PredictionClient, servicer: ScriptedServicer) -> None:
    report = await replay_traffic(client, PLAYS, holdout=1.0, limit=2)
    assert report.plays == 2
    assert len(servicer.outcomes) == 2
