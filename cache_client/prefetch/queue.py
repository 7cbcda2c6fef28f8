"""The server's predictions for a queue, in one call, as the advisor takes them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cache_client.prefetch.listener import listener_record
from cache_client.prefetch.plan import TrackPrediction
from cache_client.prefetch.play import is_accepted
from cache_client.prefetch.track_predictions import CURVE_AT_S, track_predictions
from cache_client.rpc.client import PredictionClient
from cache_client.rpc.convert import string_list
from cache_client.rpc.messages import ListenerContext
from playthrough.v1.limits import MAX_FAVOURITE_GENRES, MAX_RECENT_PLAYS


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
    fitted: bool = True,
) -> QueuePredictions:
    """Asks for a queue's tracks in one `RankTracks` call, and fits the answer to the listener.

    What is no probability is left out, as if the server did not know the track. What the contract does not
    take is not sent: older recent plays and more favourite genres than it allows, empty and overlong names.
    A listener's history only grows, so that a call that it made fail would fail for ever.

    Args:
        client: The prediction server.
        track_ids: The playing track and the queue, at most 1,000.
        favourite_genres: The listener's.
        context: What is known of the listener now.
        model: The model to ask; empty for the default one.
        fitted: Whether to shift the queue's level to the listener's own rate. A ration compares tracks of
            different listeners: it takes the server's probabilities as they are.

    Raises:
        ServerError: The call failed.
    """
    ranking = await client.rank_tracks(
        # An empty list would ask for the whole catalogue.
        [it for it in track_ids if is_accepted(it)] or track_ids,
        _accepted_genres(favourite_genres),
        model=model,
        context=_accepted_context(context),
        listening_curve_at_s=CURVE_AT_S,
    )
    ranked = ((it.track_id, it.play_through_probability, it.listening_curve) for it in ranking.tracks)
    predictions = track_predictions(ranked, listener_record(context) if fitted else None)
    return QueuePredictions(predictions, ranking.unknown_track_ids, ranking.model, ranking.version)


def _accepted_genres(genres: Sequence[str]) -> list[str]:
    """Returns the first genres that the contract takes, each once."""
    distinct = dict.fromkeys(string_list("favourite_genres", genres))
    return [it for it in distinct if is_accepted(it)][:MAX_FAVOURITE_GENRES]


def _accepted_context(context: ListenerContext) -> ListenerContext:
    """Returns the context with the newest recent plays that the contract takes."""
    accepted = [play for play in context.recent_plays if is_accepted(play.track_id)]
    return replace(context, recent_plays=tuple(accepted[-MAX_RECENT_PLAYS:]))
