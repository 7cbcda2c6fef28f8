import math
from collections.abc import Callable
from typing import Any

import pytest

from models.features import history
from playthrough.v1 import limits
from playthrough.v1 import prediction_service_pb2 as pb
from server.errors import InvalidRequestError
from server.rpc import validation

LONG = "x" * 201
TRACK = "track"


def plays(*track_ids: str) -> pb.ListenerContext:
    return pb.ListenerContext(recent_plays=[pb.RecentPlay(track_id=track_id) for track_id in track_ids])


@pytest.mark.parametrize(
    ("check", "request_", "fields"),
    [
        (validation.check_predict, pb.PredictRequest(), ["track_id"]),
        (validation.check_predict, pb.PredictRequest(track_id=LONG, model=LONG), ["model", "track_id"]),
        (
            validation.check_predict,
            pb.PredictRequest(track_id=TRACK, favourite_genres=["rock", "", LONG]),
            ["favourite_genres[1]", "favourite_genres[2]"],
        ),
        (
            validation.check_predict,
            pb.PredictRequest(track_id=TRACK, favourite_genres=["rock", ""]),
            ["favourite_genres[1]"],
        ),
        (
            validation.check_predict,
            pb.PredictRequest(track_id="a", favourite_genres=["b"] * 101),
            ["favourite_genres"],
        ),
        (
            validation.check_predict,
            pb.PredictRequest(track_id=TRACK, favourite_genres=["rock"] * 101),
            ["favourite_genres"],
        ),
        (
            validation.check_predict,
            pb.PredictRequest(track_id=TRACK, context=plays("a", "")),
            ["context.recent_plays[1].track_id"],
        ),
        (
            validation.check_predict,
            pb.PredictRequest(track_id=TRACK, context=plays(*["a"] * 201)),
            ["context.recent_plays"],
        ),
        (
            validation.check_predict,
            pb.PredictRequest(track_id=TRACK, context=pb.ListenerContext(position=-1)),
            ["context.position"],
        ),
        (validation.check_predict_random, pb.PredictRandomRequest(), ["track_id"]),
        (
            validation.check_predict_random,
            pb.PredictRandomRequest(track_id=TRACK, listener_id=LONG),
            ["listener_id"],
        ),
        (validation.check_rank_tracks, pb.RankTracksRequest(track_ids=["a"] * 1001), ["track_ids"]),
        (validation.check_rank_tracks, pb.RankTracksRequest(track_ids=["a", ""]), ["track_ids[1]"]),
        (validation.check_rank_tracks, pb.RankTracksRequest(top_k=-1), ["top_k"]),
        (
            validation.check_rank_tracks,
            pb.RankTracksRequest(listening_curve_at_s=[0, -1, math.nan, math.inf]),
            [f"listening_curve_at_s[{index}]" for index in (1, 2, 3)],
        ),
        (
            validation.check_rank_tracks,
            pb.RankTracksRequest(listening_curve_at_s=[1.0] * 1001),
            ["listening_curve_at_s"],
        ),
        (validation.check_record_outcome, pb.RecordOutcomeRequest(), ["prediction_id"]),
        (
            validation.check_record_outcome,
            pb.RecordOutcomeRequest(prediction_id="g" * 24, listened_ms=-1),
            ["prediction_id", "listened_ms"],
        ),
    ],
)
def test_every_bad_field_is_named(check: Callable[[Any], None], request_: Any, fields: list[str]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        check(request_)
    assert [field for field, _ in caught.value.violations] == fields


@pytest.mark.parametrize(
    ("check", "request_"),
    [
        (validation.check_predict, pb.PredictRequest(track_id="x" * 200, favourite_genres=["x" * 200] * 100)),
        (
            validation.check_predict_random,
            pb.PredictRandomRequest(track_id=TRACK, context=plays(*["a"] * 200)),
        ),
        (validation.check_rank_tracks, pb.RankTracksRequest()),
        (validation.check_rank_tracks, pb.RankTracksRequest(track_ids=["a"] * 1000)),
        (validation.check_record_outcome, pb.RecordOutcomeRequest(prediction_id="0123456789abcdef01234567")),
    ],
)
def test_what_the_contract_allows_passes(check: Callable[[Any], None], request_: Any) -> None:
    check(request_)


def test_a_model_reads_as_many_recent_plays_as_the_contract_takes() -> None:
    """Where they differed, training and a client would know different pasts."""
    assert history.MAX_RECENT_PLAYS == limits.MAX_RECENT_PLAYS
