"""One session, play by play: what was heard when, and what was fetched for nothing."""

from dataclasses import dataclass

from cache_client.policies import Policy
from cache_client.simulator import RecordedSession, SessionPredictions, World
from cache_client.simulator.cache import ClientCache
from cache_client.simulator.session import SessionReplay


@dataclass(frozen=True, slots=True)
class Bar:
    """A track of the queue.

    Attributes:
        from_s: When it was asked for; the session's end for a track that never was.
        waited_s: From then to its first sound.
        until_s: When the listener left it.
        unheard_s: Audio of it that was fetched and not heard, in seconds.
    """

    from_s: float
    waited_s: float
    until_s: float
    unheard_s: float


def timeline(session: RecordedSession, policy: Policy, said: SessionPredictions, world: World) -> list[Bar]:
    """Returns a session's bars, in queue order; without what was evicted before its turn."""
    tracks = [*(play.track for play in session.plays), *session.continuation]
    moments: list[tuple[float, float, float]] = []
    unheard_bytes: list[float] = []

    def watch(
        position: int, asked_s: float, startup_delay_s: float, ended_s: float, cache: ClientCache
    ) -> None:
        moments.append((asked_s, startup_delay_s, ended_s))
        unheard_bytes.append(cache.unheard_bytes(tracks[position].track_id))
        if position == len(session.plays) - 1:
            played = {play.track.track_id for play in session.plays}
            # What still stands in the queue when the session ends is never heard.
            unheard_bytes.extend(
                cache.unheard_bytes(it.track_id) if it.track_id not in played else 0.0
                for it in dict.fromkeys(session.continuation)
            )

    SessionReplay(session, policy, said, world, watch).run()
    end_s = moments[-1][2]
    bars = []
    for place, size_bytes in enumerate(unheard_bytes):
        from_s, waited_s, until_s = moments[place] if place < len(moments) else (end_s, 0.0, end_s)
        if place < len(moments) or size_bytes > 0:
            bars.append(Bar(from_s, waited_s, until_s, size_bytes / world.delivery.audio_bytes_per_s))
    return bars
