from models.context import ListenerContext, RecentPlay
from playthrough.v1 import prediction_service_pb2 as pb
from server.rpc import convert


def test_context_keeps_unknown_apart_from_false_and_zero() -> None:
    assert convert.context_of(pb.PredictRequest(track_id="track")) is None
    nothing = pb.PredictRequest(context=pb.ListenerContext())
    assert convert.context_of(nothing) == ListenerContext()
    told = pb.ListenerContext(
        premium=False,
        advertisement_before=False,
        position=0,
        recent_plays=[pb.RecentPlay(track_id="a", skipped=True), pb.RecentPlay(track_id="b")],
    )
    assert convert.context_of(pb.PredictRequest(context=told)) == ListenerContext(
        premium=False,
        recent_plays=(RecentPlay("a", True), RecentPlay("b", False)),
        advertisement_before=False,
        position=0,
    )
