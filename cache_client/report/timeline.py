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
    """Returns a session's bars, in queue order; a track that is played twice has its waste at the last."""
    moments: list[tuple[float, float, float]] = []

    def watch(
        position: int, asked_s: float, startup_delay_s: float, ended_s: float, cache: ClientCache
    ) -> None:
        moments.append((asked_s, startup_delay_s, ended_s))
        if position == len(session.plays) - 1:
            left.update({it.track_id: cache.unheard_bytes(it.track_id) for it in tracks})

    tracks = [*(play.track for play in session.plays), *session.continuation]
    left: dict[str, float] = {}
    SessionReplay(session, policy, said, world, watch).run()
    end_s = moments[-1][2]
    bars: list[Bar] = []
    for place, track in reversed(list(enumerate(tracks))):
        from_s, waited_s, until_s = moments[place] if place < len(moments) else (end_s, 0.0, end_s)
        unheard_s = left.pop(track.track_id, 0.0) / world.delivery.audio_bytes_per_s
        if place < len(moments) or unheard_s > 0:
            bars.append(Bar(from_s, waited_s, until_s, unheard_s))
    return bars[::-1]
