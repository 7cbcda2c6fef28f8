"""Small hand-made sessions."""

from collections.abc import Sequence

from cache_client.prefetch.plan import ListenerRecord
from cache_client.rpc.messages import ListenerContext
from cache_client.simulator import RecordedPlay, RecordedSession, Track


def session(
    plays: Sequence[tuple[str, float, float]],
    *,
    pause_s: float = 0.0,
    storage_class: str | None = "SLOW",
    continuation: Sequence[Track] = (),
    session_id: int = 1,
    listener_id: str = "7",
) -> RecordedSession:
    """Returns a session of (track_id, duration_s, listened_s)."""
    recorded = tuple(
        RecordedPlay(Track(track_id, duration_s, storage_class), listened_s, pause_s, listened_s < duration_s)
        for track_id, duration_s, listened_s in plays
    )
    contexts = tuple(ListenerContext() for _ in plays)
    return RecordedSession(
        str(session_id), listener_id, ("jazz",), ListenerRecord(), recorded, tuple(continuation), contexts
    )
