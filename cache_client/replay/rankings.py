"""Rankings of a recorded session's tracks: the server's, and the simple ones that it has to beat."""

from collections.abc import Callable, Sequence

from cache_client.prefetch.listener import listener_rate
from cache_client.prefetch.plan import ListenerRecord
from cache_client.rpc.client import PredictionClient
from cache_client.simulator import RecordedSession
from playthrough.v1.limits import MAX_TRACK_IDS

Scores = Sequence[float]
"""One a play of a session, higher for what is to be kept."""


async def model_scores(client: PredictionClient, session: RecordedSession, model: str) -> Scores:
    """Returns the play-through probabilities that a server gave when the session began; 0 for unknown tracks.

    Nothing is asked of a session of one play, which cannot be ranked.

    Raises:
        ServerError: The call failed.
    """
    if len(session.plays) < 2:
        return [0.0] * len(session.plays)
    track_ids = list(dict.fromkeys(play.track.track_id for play in session.plays))[:MAX_TRACK_IDS]
    ranking = await client.rank_tracks(
        track_ids, session.favourite_genres, model=model, context=session.contexts[0]
    )
    probability_of = {track.track_id: track.play_through_probability for track in ranking.tracks}
    return [probability_of.get(play.track.track_id, 0.0) for play in session.plays]


def _shortest(session: RecordedSession) -> Scores:
    return [-play.track.duration_s for play in session.plays]


def _popular(session: RecordedSession) -> Scores:
    return [play.track.popularity for play in session.plays]


def _heard_before(session: RecordedSession) -> Scores:
    """Returns how often the listener heard each track out before, drawn towards their own rate."""
    recent = session.contexts[0].recent_plays
    prior = listener_rate(session.listener)
    return [
        listener_rate(ListenerRecord(len(past), past.count(False)), prior)
        for play in session.plays
        for past in [[it.skipped for it in recent if it.track_id == play.track.track_id]]
    ]


def _any_order(session: RecordedSession) -> Scores:
    return [0.0] * len(session.plays)


def _perfect(session: RecordedSession) -> Scores:
    return [float(not play.skipped) for play in session.plays]


RANKINGS: dict[str, Callable[[RecordedSession], Scores]] = {
    "shortest first": _shortest,
    "most popular first": _popular,
    "heard out before": _heard_before,
    "any order": _any_order,
    "hindsight": _perfect,
}
"""What a model's ranking is compared with, by name. Any order has the sessions' own rate, by construction;
hindsight knows each outcome."""
