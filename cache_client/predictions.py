"""Predictions for recorded sessions, asked for once and shared by all policies."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cache_client.client import MAX_TRACK_IDS, PredictionClient
from cache_client.simulator import RecordedSession, TrackPrediction


@dataclass(frozen=True, slots=True)
class SessionPredictions:
    """What the server says about sessions' tracks.

    Attributes:
        by_session: For each session, what the server says by track id.
        unknown_track_ids: Tracks that the server does not know.
        model: The model that answered; empty when nothing was asked.
        version: Its version.
    """

    by_session: list[dict[str, TrackPrediction]]
    unknown_track_ids: frozenset[str] = frozenset()
    model: str = ""
    version: str = ""


async def predict_sessions(
    client: PredictionClient,
    sessions: Sequence[RecordedSession],
    *,
    model: str = "",
    concurrency: int = 16,
    advance: Callable[[], None] = lambda: None,
) -> SessionPredictions:
    """Asks for every track that a session's queue can show, with what was known when the session began.

    Answers do not depend on simulated time, so one call serves all plays of a session and all policies.

    Args:
        client: The prediction server.
        sessions: The sessions.
        model: The model to ask; empty for the default one.
        concurrency: How many calls may be under way at once.
        advance: Called after each session, for a progress bar.

    Raises:
        ServerError: A call failed; the rest is not awaited.
    """
    limit = asyncio.Semaphore(concurrency)
    unknown: set[str] = set()
    answered_by = ("", "")

    async def predict(session: RecordedSession) -> dict[str, TrackPrediction]:
        nonlocal answered_by
        found: dict[str, TrackPrediction] = {}
        async with limit:
            for track_ids in _parts(session.track_ids()):
                ranking = await client.rank_tracks(
                    track_ids, session.favourite_genres, model=model, context=session.context
                )
                found |= {track.track_id: TrackPrediction(track.play_through_probability) for track in ranking.tracks}
                unknown.update(ranking.unknown_track_ids)
                answered_by = ranking.model, ranking.version
        advance()
        return found

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(predict(session)) for session in sessions]
    except ExceptionGroup as failed:
        # The first failure says it all; the group has cancelled the rest.
        raise failed.exceptions[0] from failed
    return SessionPredictions([task.result() for task in tasks], frozenset(unknown), *answered_by)


def _parts(track_ids: list[str]) -> Iterator[list[str]]:
    """Yields the ids in parts that one call may carry (only a session of over 1,000 tracks has several)."""
    for start in range(0, len(track_ids), MAX_TRACK_IDS):
        yield track_ids[start : start + MAX_TRACK_IDS]
