"""The test vectors of the planning rule: `python -m tests.cache_client.prefetch.plan_vectors` writes them.

What they are for and how to read them: `docs/plan_prefetch.md`.
"""

import json
from dataclasses import asdict, replace
from typing import Any

from cache_client.prefetch.advisor import advise
from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.link_estimate import LinkObservations
from cache_client.prefetch.plan import (
    CurvePoint,
    Objective,
    Plan,
    PrefetchRequest,
    Ration,
    UpcomingTrack,
)
from cache_client.prefetch.score import ScoreWeights
from cache_client.prefetch.throughput import Transfer
from cache_client.prefetch.track_predictions import CURVE_AT_S
from tests.paths import DOCS

VECTORS = DOCS / "plan_prefetch_vectors.json"

DELIVERY = Delivery()
FAST_LINK = LinkObservations(
    (Transfer(262_144, 1.0), Transfer(250_000, 1.0), Transfer(240_000, 1.02)), 1_800.0
)
BARELY = LinkObservations(
    (Transfer(21_000, 1.0), Transfer(22_000, 1.0), Transfer(21_500, 1.0)), 600.0, (3.0,)
)
SLOW_LINK = LinkObservations(
    (Transfer(15_000, 1.0), Transfer(12_000, 1.0), Transfer(16_000, 1.1)), 400.0, (2.0,)
)
SILENT_LINK = LinkObservations(
    (Transfer(300_000, 1.0), Transfer(280_000, 1.0)), 900.0, (4.0, 12.5, 0.75, 31.0, 8.0, 6.5, 20.0, 2.25)
)


def track(
    track_id: str,
    probability: float,
    duration_s: float = 214.3,
    storage_class: str | None = "SLOW",
    cached_bytes: int = 0,
    *,
    curve: bool = False,
    delivery: Delivery = DELIVERY,
) -> UpcomingTrack:
    """Returns a track; with a curve, most of its skips come early."""
    points: tuple[CurvePoint, ...] = ()
    if curve:
        shares = [min(1.0, (at_s / duration_s) ** 0.5) for at_s in CURVE_AT_S]
        points = tuple(
            CurvePoint(at_s, round(1 - (1 - probability) * share, 6) if at_s < duration_s else 0.0)
            for at_s, share in zip(CURVE_AT_S, shares, strict=True)
        )
    size_bytes = delivery.size_bytes(duration_s)
    return UpcomingTrack(track_id, duration_s, size_bytes, storage_class, cached_bytes, probability, points)


QUEUE = (
    track("first", 0.71, curve=True),
    track("second", 0.35, 187.0, "MEDIUM", curve=True),
    track("third", 0.9, 263.75, "FAST", curve=True),
    track("fourth", 0.55, 4.2, None),
)
USUAL = PrefetchRequest(
    track("playing", 0.66, 201.5, curve=True), QUEUE, 64_000_000, DELIVERY, link=FAST_LINK
)


def cases() -> dict[str, tuple[PrefetchRequest, ScoreWeights]]:
    """Returns requests by name, each with its prices."""
    usual, weights = USUAL, ScoreWeights()
    lossless = Delivery(bit_rate_bit_per_s=1_411_200.0)
    heavy = tuple(track(it.track_id, it.play_through_probability, delivery=lossless) for it in QUEUE)
    cached = tuple(
        it._replace(cached_bytes=number) for it, number in zip(QUEUE, (100, 40_000, 0, 84_000), strict=True)
    )
    brief = (track("brief", 0.1, 3.0), track("briefer", 0.1, 1.5, "FAST"), QUEUE[0])
    on_bytes, on_plays = Ration(Objective.BYTES, 0.72), Ration(Objective.PLAYS, 0.12)
    requests = {
        "a fast link": usual,
        "no observations of the link": replace(usual, link=LinkObservations()),
        "a link hardly faster than the audio": replace(usual, link=BARELY),
        "a link slower than the audio": replace(usual, link=SLOW_LINK),
        "a link slower than the audio, tracks cached in part": replace(usual, link=SLOW_LINK, queue=cached),
        "a link with many silences": replace(usual, link=SILENT_LINK),
        "a link with many silences, no listening curves": replace(
            usual,
            link=SILENT_LINK,
            playing=usual.playing._replace(listening_curve=()),
            queue=tuple(it._replace(listening_curve=()) for it in QUEUE),
        ),
        "transfers without bytes or time count for nothing": replace(
            usual, link=LinkObservations((Transfer(0, 1.0), Transfer(250_000, 1.0), Transfer(9, 0.0)), 60.0)
        ),
        "tracks cached in part": replace(usual, queue=cached),
        "the middle of the playing track": replace(usual, playing_at_s=97.25),
        "the last seconds of the playing track, a slow link": replace(
            usual, playing_at_s=200.0, link=SLOW_LINK
        ),
        "brief tracks that may be left before the next plan": replace(usual, queue=brief),
        "the last track of a queue": replace(usual, queue=(), link=SILENT_LINK),
        "one track to come": replace(usual, queue=QUEUE[:1]),
        "no room": replace(usual, free_bytes=0),
        "little room": replace(usual, free_bytes=50_000),
        "lossless audio": replace(usual, delivery=lossless, queue=heavy, free_bytes=40_000_000),
        "bytes at a price": replace(usual, ration=on_bytes),
        "plays at a price": replace(usual, ration=on_plays, queue=cached),
        "bytes at a price, room for one track": replace(
            usual, ration=on_bytes._replace(price=0.5), free_bytes=5_000_000
        ),
        "storage that takes longer than a chunk lasts": replace(usual, delivery=Delivery(slow_ms=4_500.0)),
        "chunks of ten seconds": replace(usual, delivery=Delivery(chunk_s=10.0), link=SLOW_LINK),
    }
    priced = {name: (request, weights) for name, request in requests.items()}
    priced["waits that cost nothing"] = (usual, ScoreWeights(wait_per_s=0.0))
    priced["bytes that cost nothing, a slow link"] = (
        replace(usual, link=SLOW_LINK),
        ScoreWeights(waste_per_mbit=0.0),
    )
    return priced


def document() -> str:
    """Returns the vectors as they are written."""
    vectors = [
        {
            "name": name,
            "request": request_as_json(request),
            "weights": asdict(weights),
            "plan": plan_as_json(advise(request, weights)),
        }
        for name, (request, weights) in cases().items()
    ]
    lines = ",\n".join(map(json.dumps, vectors))  # a vector a line: what changed can be seen
    return f'{{"vectors": [\n{lines}\n]}}\n'


def request_as_json(request: PrefetchRequest) -> dict[str, Any]:
    """Returns a request by its fields' names."""
    return {
        "playing": _track_as_json(request.playing),
        "playing_at_s": request.playing_at_s,
        "queue": [_track_as_json(it) for it in request.queue],
        "free_bytes": request.free_bytes,
        "delivery": asdict(request.delivery),
        "link": {
            "transfers": [it._asdict() for it in request.link.transfers],
            "watched_s": request.link.watched_s,
            "silences_s": list(request.link.silences_s),
        },
        "ration": request.ration and request.ration._asdict(),
    }


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """Returns a plan by its fields' names."""
    return {
        "fetches": [it._asdict() for it in plan.fetches],
        "ahead": [it._asdict() for it in plan.ahead or ()],
    }


def request_from_json(told: dict[str, Any]) -> PrefetchRequest:
    """Returns the request that a vector describes."""
    link, ration = told["link"], told["ration"]
    return PrefetchRequest(
        playing=_track_from_json(told["playing"]),
        queue=tuple(map(_track_from_json, told["queue"])),
        free_bytes=told["free_bytes"],
        delivery=Delivery(**told["delivery"]),
        link=LinkObservations(
            tuple(Transfer(**it) for it in link["transfers"]), link["watched_s"], tuple(link["silences_s"])
        ),
        playing_at_s=told["playing_at_s"],
        ration=ration and Ration(Objective(ration["objective"]), ration["price"]),
    )


def _track_as_json(track: UpcomingTrack) -> dict[str, Any]:
    told = track._asdict() | {"listening_curve": [it._asdict() for it in track.listening_curve]}
    del told["popularity"]  # for rival policies: the rule does not read it
    return told


def _track_from_json(told: dict[str, Any]) -> UpcomingTrack:
    curve = tuple(CurvePoint(**it) for it in told["listening_curve"])
    return UpcomingTrack(**(told | {"listening_curve": curve}))


if __name__ == "__main__":
    VECTORS.write_text(document(), encoding="utf-8")
    print(f"{len(cases())} vectors in {VECTORS}")
