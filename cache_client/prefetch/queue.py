"""The server's predictions for a queue, in one call, as the advisor takes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from cache_client.prefetch.listener import fitted_to_listener, listener_record
from cache_client.prefetch.plan import CurvePoint, TrackPrediction
from cache_client.rpc.client import PredictionClient
from cache_client.rpc.messages import ListenerContext

CURVE_AT_S = (10.0, 30.0, 60.0, 90.0, 120.0, 160.0, 200.0, 240.0, 300.0)
"""The moments of a track whose listening curve is asked for, in seconds."""


@dataclass(frozen=True, slots=True)
class QueuePredictions:
    """A server's predictions by track id, the tracks that it does not know, and the model that answered."""

    tracks: dict[str, TrackPrediction]
    unknown_track_ids: tuple[str, ...]
    model: str
    version: str


async def predict_queue(
    client: PredictionClient,
    track_ids: Sequence[str],
    favourite_genres: Sequence[str],
    context: ListenerContext,
    *,
    model: str = "",
) -> QueuePredictions:
    """Asks for a queue's tracks in one `RankTracks` call, and fits the answer to the listener.

    What is no probability is left out, as if the server did not know the track.

    Args:
        client: The prediction server.
        track_ids: The playing track and the queue, at most 1,000.
        favourite_genres: The listener's.
        context: What is known of the listener now.
        model: The model to ask; empty for the default one.

    Raises:
        ServerError: The call failed.
    """
    ranking = await client.rank_tracks(
        track_ids, favourite_genres, model=model, context=context, listening_curve_at_s=CURVE_AT_S
    )
    tracks = {
        it.track_id: TrackPrediction(it.play_through_probability, _curve(it.listening_curve))
        for it in ranking.tracks
        if 0.0 <= it.play_through_probability <= 1.0
    }
    fitted = fitted_to_listener(tracks, listener_record(context))
    return QueuePredictions(fitted, ranking.unknown_track_ids, ranking.model, ranking.version)


def _curve(heard: Sequence[float]) -> tuple[CurvePoint, ...]:
    """Returns the curve's points; none when the server gave no curve, or what cannot be one."""
    falls = all(before >= after for before, after in pairwise((1.0, *heard, 0.0)))
    return tuple(map(CurvePoint, CURVE_AT_S, heard)) if len(heard) == len(CURVE_AT_S) and falls else ()
