"""The dearest requests that the contract permits, and the dearest that it refuses."""

from collections.abc import Sequence

from google.protobuf.message import Message

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1.limits import (
    MAX_BYTES,
    MAX_CURVE_POINTS,
    MAX_FAVOURITE_GENRES,
    MAX_PLANNED_CHUNKS,
    MAX_PRICE,
    MAX_QUEUED_TRACKS,
    MAX_RANKED_CURVE_POINTS,
    MAX_RECENT_PLAYS,
    MAX_SILENCES,
    MAX_STRING_LENGTH,
    MAX_TRACK_IDS,
    MAX_TRACK_MS,
    MAX_TRANSFERS,
)

Worst = tuple[str, str, Message]
"""What it is, its method and the request."""

_CHUNKS_AT_ONCE = 1_000  # so many are planned on the event loop
_CHUNK_S = 0.01  # the shortest: most chunks, most distances to weigh


def permitted(track_ids: Sequence[str]) -> list[Worst]:
    """Returns the dearest requests that are answered, of each method.

    Args:
        track_ids: The catalogue's.
    """
    genres = [f"{number} ".ljust(MAX_STRING_LENGTH, "\U0001f3b5") for number in range(MAX_FAVOURITE_GENRES)]
    recent = track_ids[:MAX_RECENT_PLAYS]
    context = pb.ListenerContext(
        premium=True,
        recent_plays=[
            pb.RecentPlay(track_id=it, skipped=number % 2 == 0) for number, it in enumerate(recent)
        ],
        advertisement_before=True,
        position=9,
    )
    known = [track_ids[number % len(track_ids)] for number in range(MAX_TRACK_IDS)]
    unknown = [f"{number}".ljust(MAX_STRING_LENGTH, "\U0001f3b5") for number in range(MAX_TRACK_IDS)]
    who = {"favourite_genres": genres, "context": context}
    seconds = [number / 10 for number in range(MAX_CURVE_POINTS)]
    at_once, each = seconds[:20], seconds[: MAX_RANKED_CURVE_POINTS // MAX_TRACK_IDS]
    few = MAX_RANKED_CURVE_POINTS // MAX_CURVE_POINTS

    def rank(**fields: object) -> Message:
        return pb.RankTracksRequest(**who, **fields)  # type: ignore[arg-type]

    return [
        ("the models", "ListModels", pb.ListModelsRequest()),
        ("a play", "Predict", pb.PredictRequest(track_id=known[0], **who)),  # type: ignore[arg-type]
        ("a play", "PredictRandom", pb.PredictRandomRequest(track_id=known[0], **who)),  # type: ignore[arg-type]
        ("an outcome", "RecordOutcome", pb.RecordOutcomeRequest(prediction_id="0" * 24)),
        (f"{len(known):,} tracks", "RankTracks", rank(track_ids=known)),
        (f"{len(unknown):,} unknown tracks", "RankTracks", rank(track_ids=unknown)),
        *(
            (
                f"{len(known):,} tracks x {len(some)} points",
                "RankTracks",
                rank(track_ids=known, listening_curve_at_s=some),
            )
            for some in (at_once, each)
        ),
        ("the catalogue", "RankTracks", rank()),
        ("the catalogue, best 50", "RankTracks", rank(top_k=50)),
        (
            f"the catalogue, best {few} x {len(seconds):,} points",
            "RankTracks",
            rank(top_k=few, listening_curve_at_s=seconds),
        ),
        *_plans(track_ids, who),
    ]


def _plans(track_ids: Sequence[str], who: dict[str, object]) -> list[Worst]:
    link = pb.LinkObservations(
        transfers=[pb.Transfer(size_bytes=1e3 + number, duration_s=1.0) for number in range(MAX_TRANSFERS)],
        watched_s=1e9,
        silences_s=[1e7 * number for number in range(1, MAX_SILENCES + 1)],
    )

    def plan(tracks: int, chunks: int, objective: int = 0) -> Message:
        duration_ms = int(chunks // tracks * _CHUNK_S * 1e3)
        request = pb.PlanPrefetchRequest(
            playing=pb.QueuedTrack(track_id=track_ids[0], duration_ms=MAX_TRACK_MS),
            queue=[pb.QueuedTrack(track_id=it, duration_ms=duration_ms) for it in track_ids[1 : tracks + 1]],
            free_bytes=MAX_BYTES,
            link=link,
            delivery=pb.AudioDelivery(chunk_s=_CHUNK_S, rtt_ms=1.0, slow_ms=1.0, medium_ms=1.0, fast_ms=1.0),
            wait_per_s=MAX_PRICE,  # and a waste that costs nothing: every chunk is worth its bytes
            waste_per_mbit=0.0,
            **who,  # type: ignore[arg-type]
        )
        if objective:
            request.ration.objective = objective  # type: ignore[assignment]
        return request

    return [
        (
            f"{tracks} tracks, {chunks:,} chunks{', a ration' if objective else ''}",
            "PlanPrefetch",
            plan(tracks, chunks, objective),
        )
        for tracks, chunks, objective in (
            (10, _CHUNKS_AT_ONCE, 0),
            (MAX_QUEUED_TRACKS, _CHUNKS_AT_ONCE, 0),
            (MAX_QUEUED_TRACKS, _CHUNKS_AT_ONCE, pb.Ration.OBJECTIVE_BYTES),
            (1, MAX_PLANNED_CHUNKS, 0),
            (MAX_QUEUED_TRACKS, MAX_PLANNED_CHUNKS, 0),
        )
    ]


def refused(most_bytes: int) -> list[Worst]:
    """Returns requests of the largest size that hold as many of their smallest parts as fit, and are refused.

    Args:
        most_bytes: The largest request that the transport takes.
    """
    items = most_bytes // 2 - 100  # an empty item takes a byte for its field and one for its length
    plays = pb.ListenerContext(recent_plays=[pb.RecentPlay()] * items)
    return [
        ("empty genres", "Predict", pb.PredictRequest(track_id="1", favourite_genres=[""] * items)),
        ("empty plays", "Predict", pb.PredictRequest(track_id="1", context=plays)),
        ("empty plays", "RankTracks", pb.RankTracksRequest(context=plays)),
        ("empty tracks", "RankTracks", pb.RankTracksRequest(track_ids=[""] * items)),
        ("empty queue", "PlanPrefetch", pb.PlanPrefetchRequest(queue=[pb.QueuedTrack()] * items)),
        ("1,000 wrong tracks", "RankTracks", pb.RankTracksRequest(track_ids=["x" * 201] * MAX_TRACK_IDS)),
    ]
