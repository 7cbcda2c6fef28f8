"""Predictions for recorded sessions, asked for once and shared by all policies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cache_client.prefetch.queue import predict_queue
from cache_client.rpc.client import PredictionClient
from cache_client.simulator import RecordedSession, SessionPredictions
from cache_client.simulator.concurrency import map_concurrently


@dataclass(frozen=True, slots=True)
class Predictions:
    """A server's predictions by session, play and track id; the model is empty when nothing was asked."""

    by_session: list[SessionPredictions]
    unknown_track_ids: frozenset[str] = frozenset()
    model: str = ""
    version: str = ""


async def predict_sessions(
    client: PredictionClient,
    sessions: Sequence[RecordedSession],
    *,
    horizon: int,
    model: str = "",
    concurrency: int = 16,
    advance: Callable[[int], None] = lambda sessions: None,
) -> Predictions:
    """Asks at each play what a client would ask: one call, the visible queue, what was known then.

    Answers do not depend on simulated time, so they serve all policies.

    Args:
        client: The prediction server.
        sessions: What listeners did.
        horizon: How many upcoming tracks are visible at a play.
        model: The model to ask; empty for the default one.
        concurrency: How many sessions may be under way at once.
        advance: Called with 1 after each session.

    Raises:
        ServerError: A call failed; the rest is not awaited.
    """
    unknown: set[str] = set()
    answered_by = ("", "")

    async def predict(session: RecordedSession) -> SessionPredictions:
        nonlocal answered_by
        by_play = []
        for position, context in enumerate(session.contexts):
            track_ids = session.visible_track_ids(position, horizon)
            found = await predict_queue(client, track_ids, session.favourite_genres, context, model=model)
            by_play.append(found.tracks)
            unknown.update(found.unknown_track_ids)
            answered_by = found.model, found.version
        return by_play

    by_session = await map_concurrently(predict, sessions, concurrency, advance)
    return Predictions(by_session, frozenset(unknown), *answered_by)
