"""What takes the event loop long is not done on it: a flood of that would keep every other method waiting."""

from collections.abc import Callable
from typing import Any

import pytest

from playthrough.v1 import prediction_service_pb2 as pb
from server.limits.fair_thread import FairThread


def ranking(n_tracks: int, n_points: int = 0) -> pb.RankTracksRequest:
    return pb.RankTracksRequest(
        track_ids=[f"track-{number}" for number in range(n_tracks)],
        listening_curve_at_s=[float(number) for number in range(n_points)],
    )


def plan(n_tracks: int, track_s: int) -> pb.PlanPrefetchRequest:
    """Returns a request for a plan of unknown tracks in chunks of 2 s."""
    tracks = [pb.QueuedTrack(track_id=f"track-{n}", duration_ms=1000 * track_s) for n in range(n_tracks)]
    return pb.PlanPrefetchRequest(
        playing=pb.QueuedTrack(track_id="playing"), queue=tracks, free_bytes=1 << 40
    )


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (ranking(100), None),
        (ranking(100, 100), None),
        (ranking(101), "queue"),
        (ranking(100, 101), "queue"),
        (ranking(0), "catalogue"),
        (plan(20, 20), None),
        (plan(21, 20), "plan"),
        (plan(5, 200), "plan"),
    ],
    ids=lambda value: "" if isinstance(value, pb.RankTracksRequest | pb.PlanPrefetchRequest) else str(value),
)
async def test_what_is_long_goes_to_the_thread(
    serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, request_: Any, kind: str | None
) -> None:
    beside: list[str] = []
    run = FairThread.run

    async def spied(self: FairThread, kind: str, caller: str, work: Any, *rest: Any) -> Any:
        beside.append(kind)
        # It may still be at work when its call has ended, and gRPC's core crashes where that one is asked.
        assert not any(hasattr(argument, "abort") for argument in work.args)
        return await run(self, kind, caller, work, *rest)

    monkeypatch.setattr(FairThread, "run", spied)
    async with serving() as stub:
        call = stub.RankTracks if isinstance(request_, pb.RankTracksRequest) else stub.PlanPrefetch
        await call(request_)
    assert beside == ([] if kind is None else [kind])
