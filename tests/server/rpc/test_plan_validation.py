import math
from typing import Any

import pytest

from playthrough.v1 import prediction_service_pb2 as pb
from server.errors import InvalidRequestError
from server.rpc.plan_validation import check_plan_prefetch

LONG = "x" * 201
PLAYING = pb.QueuedTrack(track_id="playing")


def request_with(**fields: Any) -> pb.PlanPrefetchRequest:
    return pb.PlanPrefetchRequest(**({"playing": PLAYING} | fields))


def link(*transfers: tuple[float, float], **fields: Any) -> pb.LinkObservations:
    told = [pb.Transfer(size_bytes=size_bytes, duration_s=seconds) for size_bytes, seconds in transfers]
    return pb.LinkObservations(transfers=told, **fields)


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (pb.PlanPrefetchRequest(), ["playing.track_id"]),
        (request_with(model=LONG, version=LONG), ["model", "version"]),
        (request_with(playing_at_s=-1.0, free_bytes=-1), ["playing_at_s", "free_bytes"]),
        (request_with(playing_at_s=math.nan, free_bytes=2**60), ["playing_at_s", "free_bytes"]),
        (request_with(queue=[pb.QueuedTrack(track_id="a"), pb.QueuedTrack()]), ["queue[1].track_id"]),
        (request_with(queue=[pb.QueuedTrack(track_id="a")] * 201), ["queue"]),
        (
            request_with(
                queue=[pb.QueuedTrack(track_id="a", duration_ms=-1, cached_bytes=-1, storage_class=9)]  # type: ignore[arg-type]
            ),
            ["queue[0].duration_ms", "queue[0].cached_bytes", "queue[0].storage_class"],
        ),
        (request_with(playing=pb.QueuedTrack(track_id="a", duration_ms=86_400_001)), ["playing.duration_ms"]),
        (request_with(favourite_genres=["rock", ""]), ["favourite_genres[1]"]),
        (request_with(context=pb.ListenerContext(position=-1)), ["context.position"]),
        (
            request_with(link=link((1.0, 1.0), (math.inf, -1.0))),
            ["link.transfers[1].size_bytes", "link.transfers[1].duration_s"],
        ),
        (request_with(link=link(*[(1.0, 1.0)] * 21)), ["link.transfers"]),
        (
            request_with(link=link(watched_s=-1.0, silences_s=[1.0, math.nan])),
            ["link.watched_s", "link.silences_s[1]"],
        ),
        (request_with(link=link(silences_s=[1.0] * 101)), ["link.silences_s"]),
        (
            request_with(delivery=pb.AudioDelivery(audio_bytes_per_s=0.0, chunk_s=math.nan, slow_ms=-1.0)),
            ["delivery.audio_bytes_per_s", "delivery.chunk_s", "delivery.slow_ms"],
        ),
        (request_with(wait_per_s=math.inf, waste_per_mbit=-0.1), ["wait_per_s", "waste_per_mbit"]),
        (request_with(ration=pb.Ration(price=-1.0)), ["ration.objective", "ration.price"]),
    ],
)
def test_every_bad_field_is_named(request_: pb.PlanPrefetchRequest, fields: list[str]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        check_plan_prefetch(request_)
    assert [field for field, _ in caught.value.violations] == fields


def test_what_the_contract_allows_passes() -> None:
    most = pb.QueuedTrack(
        track_id="x" * 200, duration_ms=86_400_000, cached_bytes=2**53, storage_class=pb.STORAGE_CLASS_SLOW
    )
    delivery = pb.AudioDelivery(audio_bytes_per_s=1e9, chunk_s=0.01, rtt_ms=3.6e6, fast_ms=0.0)
    check_plan_prefetch(request_with())
    check_plan_prefetch(
        request_with(
            playing=most,
            queue=[most] * 200,
            playing_at_s=1e9,
            free_bytes=2**53,
            link=link(*[(2.0**53, 1e9)] * 20, watched_s=1e9, silences_s=[1e9] * 100),
            delivery=delivery,
            wait_per_s=1e6,
            waste_per_mbit=0.0,
            ration=pb.Ration(objective=pb.Ration.OBJECTIVE_PLAYS, price=1e6),
        )
    )
