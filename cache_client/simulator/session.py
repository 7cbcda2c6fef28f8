"""One session on a device, closed loop: a delay in one play puts off all that follow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cache_client.laboratory_errors import PlanError
from cache_client.policies import FuturePlay, Oracle, Policy
from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.link_observer import LinkObserver
from cache_client.prefetch.listener import PLAY_THROUGH_RATE
from cache_client.prefetch.plan import Plan, PrefetchRequest, TrackPrediction, UpcomingTrack
from cache_client.simulator.device import Device
from cache_client.simulator.link import LinkWorld, sent_s
from cache_client.simulator.player import Player, observe
from cache_client.simulator.trace import RecordedPlay, RecordedSession, Track
from cache_client.simulator.transfers import Transfers

SessionPredictions = Sequence[Mapping[str, TrackPrediction]]
"""The server's predictions at each play of a session, by track id; empty when it was not asked."""

UNKNOWN = TrackPrediction(PLAY_THROUGH_RATE)


@dataclass(frozen=True, slots=True)
class World:
    """What all policies are compared in."""

    delivery: Delivery = field(default_factory=Delivery)
    link: LinkWorld = field(default_factory=LinkWorld)  # policies are told nothing of it
    cache_bytes: int = 64_000_000  # of a device's cache
    cache_kept: bool = False  # whether it lasts from session to session; else each starts with an empty one
    link_remembered: bool = True  # whether a device saw its link for as long as its listener listened before
    horizon: int = 10  # upcoming tracks that a policy sees
    seed: int = 42  # of the links, together with the session's id


@dataclass(slots=True)
class SessionResult:
    """What happened in a session."""

    listener_id: str = ""
    startup_delays_s: list[float] = field(default_factory=list)  # asking to first sound, one a play, in order
    stall_s: float = 0.0  # silence after a start
    heard_s: float = 0.0
    hits: int = 0  # plays whose first chunk was in the cache when they were asked for
    heard_bytes: float = 0.0  # a repeated track each time
    hit_bytes: float = 0.0  # of those, in the cache when their play was asked for
    downloaded_bytes: float = 0.0  # all that came over the link
    used_bytes: float = 0.0  # of those, heard at least once
    wasted_bytes: float = 0.0  # of those, never heard

    @property
    def waited_s(self) -> float:
        """Returns start delays and stalls together, in seconds."""
        return sum(self.startup_delays_s) + self.stall_s


class _SessionReplay:
    """Replays one recorded session under one policy."""

    def __init__(
        self,
        session: RecordedSession,
        policy: Policy,
        predictions: SessionPredictions,
        world: World,
        device: Device,
    ) -> None:
        if isinstance(policy, Oracle):
            policy = policy.knowing([FuturePlay(p.track.track_id, p.listened_s) for p in session.plays])
        self._session, self._policy, self._world = session, policy, world
        self._tracks = [*(play.track for play in session.plays), *session.continuation]
        self._predictions = predictions
        self._storage_class_of = {track.track_id: track.storage_class for track in self._tracks}
        self._cache, self._observer = device.cache, device.observer
        self._link = world.link.link(f"{world.seed}/{session.session_id}")
        self._transfers = Transfers(self._cache, self._asked_ready_s)
        self._result = SessionResult(session.listener_id)
        self._listener = session.listener
        self._now_s = 0.0

    def run(self, *, keep_cache: bool) -> SessionResult:
        """Returns what happened; what was never heard is wasted, unless the cache is kept."""
        wasted_before_bytes = self._cache.wasted_bytes
        for position, recorded in enumerate(self._session.plays):
            self._play(position, recorded)
            self._listener = self._listener.after(skipped=recorded.skipped)
            self._pause(recorded.pause_s)
        self._observer.play_began()
        if not keep_cache:
            self._cache.clear()
        self._result.downloaded_bytes += self._transfers.downloaded_bytes
        self._result.wasted_bytes = self._cache.wasted_bytes - wasted_before_bytes
        return self._result

    def _pause(self, pause_s: float) -> None:
        """Passes a pause. An advertisement's own bytes are not simulated: the link is the plan's."""
        end_s = self._now_s + pause_s
        while self._now_s < end_s:
            until_s = min(end_s, self._link.change_s(self._now_s))
            used = self._transfers.run(self._now_s, until_s, self._link.bytes_per_s(self._now_s))
            observe(self._observer, until_s - self._now_s, 0.0, 0.0, used)
            self._now_s = until_s

    def _play(self, position: int, recorded: RecordedPlay) -> None:
        delivery, result = self._world.delivery, self._result
        playing, *queue = self._visible(position)
        entry = self._cache.entry(playing.track_id)
        listened_bytes = min(recorded.listened_s * delivery.audio_bytes_per_s, float(playing.size_bytes))
        result.hits += entry.downloaded_bytes >= min(delivery.chunk_bytes, playing.size_bytes)
        result.hit_bytes += min(entry.downloaded_bytes, listened_bytes)
        heard_before_bytes = entry.heard_bytes
        ready_s = self._ready_s(playing.track_id)
        self._observer.play_began()
        plan = self._plan(position, playing, queue)
        self._transfers.follow(plan.fetches, self._now_s)
        player = Player(entry, playing.size_bytes, delivery, self._link, self._observer, self._now_s)
        player.follow(plan)
        player.play(listened_bytes, ready_s, self._transfers)
        self._now_s = player.now_s
        self._cache.played(playing.track_id)
        result.startup_delays_s.append(player.startup_delay_s)
        result.stall_s += player.stall_s
        result.heard_s += recorded.listened_s
        result.heard_bytes += listened_bytes
        result.downloaded_bytes += player.downloaded_bytes
        result.used_bytes += entry.heard_bytes - heard_before_bytes

    def _ready_s(self, track_id: str) -> float:
        """Returns when missing bytes can flow: sooner where a fetch of the track is already under way."""
        asked_now_s = self._asked_ready_s(track_id, self._now_s)
        under_way_s = self._transfers.ready_s(track_id)
        return asked_now_s if under_way_s is None else max(self._now_s, min(under_way_s, asked_now_s))

    def _asked_ready_s(self, track_id: str, asked_s: float) -> float:
        """Returns when the first byte of a track can be there that is asked for at some moment."""
        first_byte_s = self._world.delivery.first_byte_s(self._storage_class_of[track_id])
        return sent_s(self._link, asked_s) + first_byte_s

    def _visible(self, position: int) -> list[UpcomingTrack]:
        """Returns the playing track and, each once, what follows it as far as policies see."""
        predicted = self._predictions[position] if self._predictions else {}
        tracks = self._tracks[position : position + 1 + self._world.horizon]
        return [self._upcoming(track, predicted) for track in dict.fromkeys(tracks)]

    def _plan(self, position: int, playing: UpcomingTrack, queue: Sequence[UpcomingTrack]) -> Plan:
        """Asks the policy, holds it to its contract, and makes room for what it wants."""
        upcoming = [track.track_id for track in queue]
        free_bytes = self._cache.free_bytes(upcoming, playing.size_bytes)
        request = PrefetchRequest(
            playing,
            tuple(queue),
            free_bytes,
            self._world.delivery,
            self._listener,
            position,
            self._observer.observations(),
        )
        plan = self._policy.plan(request)
        planned_bytes = sum(fetch.size_bytes for fetch in plan.fetches)
        if planned_bytes > free_bytes or any(fetch.track_id not in upcoming for fetch in plan.fetches):
            raise PlanError(
                f"{type(self._policy).__name__} plans more bytes than are free, or unknown tracks"
            )
        stream_bytes = playing.size_bytes if plan.stream_bytes is None else plan.stream_bytes
        missing_bytes = max(0, stream_bytes - playing.cached_bytes)
        self._cache.make_room(planned_bytes + missing_bytes, playing.track_id, upcoming)
        return plan

    def _upcoming(self, track: Track, predicted: Mapping[str, TrackPrediction]) -> UpcomingTrack:
        size_bytes = self._world.delivery.size_bytes(track.duration_s)
        cached_bytes = min(int(self._cache.cached_bytes(track.track_id)), size_bytes)
        known = (track.track_id, track.duration_s, size_bytes, track.storage_class, cached_bytes)
        return UpcomingTrack(*known, *predicted.get(track.track_id, UNKNOWN), track.popularity)


def replay_session(
    session: RecordedSession,
    policy: Policy,
    predictions: SessionPredictions,
    world: World,
    device: Device | None = None,
    *,
    keep_cache: bool = False,
) -> SessionResult:
    """Returns what happens in one session under one policy, on a device of the listener or a new one."""
    device = device or Device(world.cache_bytes, LinkObserver(world.delivery.audio_bytes_per_s))
    return _SessionReplay(session, policy, predictions, world, device).run(keep_cache=keep_cache)
