"""Predictions for recorded sessions, asked for once and shared by all policies."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cache_client.prefetch.queue import predict_queue
from cache_client.rpc.client import PredictionClient
from cache_client.simulator import RecordedSession, SessionPredictions


@dataclass(frozen=True, slots=True)
class Predictions:
    """What the server says about sessions' tracks.

    Attributes:
        by_session: For each session, what it says at each play, by track id.
        unknown_track_ids: Tracks that the server does not know.
        model: The model that answered; empty when nothing was asked.
        version: Its version.
    """

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
        sessions: The sessions.
        horizon: How many upcoming tracks are visible at a play.
        model: The model to ask; empty for the default one.
        concurrency: How many sessions may be under way at once.
        advance: Called after each session, for a progress bar.

    Raises:
        ServerError: A call failed; the rest is not awaited.
    """
    limit = asyncio.Semaphore(concurrency)
    unknown: set[str] = set()
    answered_by = ("", "")

    async def predict(session: RecordedSession) -> SessionPredictions:
        nonlocal answered_by
        said = []
        async with limit:
            for position, context in enumerate(session.contexts):
                found = await predict_queue(
                    client,
                    session.visible_track_ids(position, horizon),
                    session.favourite_genres,
                    context,
                    model=model,
                )
                said.append(found.tracks)
                unknown.update(found.unknown_track_ids)
                answered_by = found.model, found.version
        advance(1)
        return said

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(predict(session)) for session in sessions]
    except ExceptionGroup as failed:
        # The first failure says it all; the group has cancelled the rest.
        raise failed.exceptions[0] from failed
    return Predictions([task.result() for task in tasks], frozenset(unknown), *answered_by)
