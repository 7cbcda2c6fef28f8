"""A shared edge cache: many listeners' sessions, interleaved as recorded, over one cache near them.

The edge stands between the storage and the clients. A play whose first chunk is at the edge waits for the
round trip and the chunk; any other one waits for the storage's latency too. What a client streams passes
through the edge and stays; what a policy plans is fetched from storage while the play lasts, as far as the
edge's bandwidth carries it. Plays start when they were recorded: at an edge a wait is short beside a play.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence

from cache_client.policies import FuturePlay, Oracle, Policy
from cache_client.prefetch.plan import Fetch, PrefetchRequest, UpcomingTrack
from cache_client.simulator.byte_cache import ByteCache
from cache_client.simulator.cache import CachedTrack
from cache_client.simulator.session import (
    UNKNOWN,
    SessionPredictions,
    SessionResult,
    World,
)
from cache_client.simulator.trace import RecordedPlay, RecordedSession, Track


class _EdgeReplay:
    """All sessions through one cache, under one policy."""

    def __init__(
        self,
        sessions: Sequence[RecordedSession],
        policy: Policy,
        predictions: Sequence[SessionPredictions],
        world: World,
    ) -> None:
        self._sessions, self._predictions, self._world = sessions, predictions, world
        self._policies = [_for_session(policy, session) for session in sessions]
        self._results = [SessionResult() for _ in sessions]
        self._listeners = [session.listener for session in sessions]
        self._cache = ByteCache(world.cache_bytes, world.eviction, self._left)
        # Who fetched a track's bytes last pays for those that nobody hears.
        self._payer: dict[str, int] = {}

    def run(self, advance: Callable[[int], None]) -> list[SessionResult]:
        """Returns each session's result."""
        for _, number, position in heapq.merge(
            *map(_plays_by_time, range(len(self._sessions)), self._sessions)
        ):
            self._play(number, position)
            if position + 1 == len(self._sessions[number].plays):
                advance(1)
        self._cache.clear()
        return self._results

    def _left(self, track_id: str, track: CachedTrack) -> None:
        self._results[self._payer[track_id]].wasted_bytes += track.wasted_bytes

    def _play(self, number: int, position: int) -> None:
        recorded = self._sessions[number].plays[position]
        result = self._results[number]
        visible = self._visible(number, position)
        self._serve(number, recorded, visible[0].size_bytes, result)
        # The edge as a whole is open to every plan; what it displaces is the rule of eviction's to say.
        request = PrefetchRequest(
            visible[0],
            visible[1:],
            self._world.cache_bytes,
            self._world.delivery,
            self._listeners[number],
            position,
        )
        budget_bytes = recorded.listened_s * self._world.delivery.bandwidth_bytes_per_s
        for fetch in self._policies[number].plan(request).fetches:
            budget_bytes -= self._fetch(number, fetch, budget_bytes, result)
        self._listeners[number] = self._listeners[number].after(skipped=recorded.skipped)

    def _serve(self, number: int, recorded: RecordedPlay, size_bytes: int, result: SessionResult) -> None:
        """Streams what is heard to the client, through the cache."""
        delivery, track = self._world.delivery, recorded.track
        chunk_bytes = min(delivery.chunk_bytes, size_bytes)
        heard_bytes = min(recorded.listened_s * delivery.audio_bytes_per_s, float(size_bytes))
        entry = self._cache.get(track.track_id) or CachedTrack()
        hit = entry.downloaded_bytes >= chunk_bytes
        first_byte_s = delivery.rtt_ms / 1000 if hit else delivery.first_byte_s(track.storage_class)
        result.startup_delays_s.append(first_byte_s + chunk_bytes / delivery.bandwidth_bytes_per_s)
        result.hits += hit
        result.heard_s += recorded.listened_s
        result.heard_bytes += heard_bytes
        result.hit_bytes += min(entry.downloaded_bytes, heard_bytes)
        result.used_bytes += max(0.0, heard_bytes - entry.heard_bytes)
        served_bytes = max(heard_bytes, float(chunk_bytes))
        missing_bytes = max(0.0, served_bytes - entry.downloaded_bytes)
        entry.heard_bytes = max(entry.heard_bytes, heard_bytes)
        self._grow(number, track.track_id, entry, missing_bytes, result)

    def _fetch(self, number: int, fetch: Fetch, budget_bytes: float, result: SessionResult) -> float:
        """Fetches a range as far as the budget goes; returns what came."""
        entry = self._cache.peek(fetch.track_id) or CachedTrack()
        come_bytes = min(max(0.0, fetch.last_byte + 1 - entry.downloaded_bytes), max(0.0, budget_bytes))
        if come_bytes > 0:
            self._grow(number, fetch.track_id, entry, come_bytes, result)
        return come_bytes

    def _grow(
        self, number: int, track_id: str, entry: CachedTrack, come_bytes: float, result: SessionResult
    ) -> None:
        if come_bytes <= 0 and self._cache.peek(track_id) is entry:
            return
        self._payer[track_id] = number
        entry.downloaded_bytes += come_bytes
        result.downloaded_bytes += come_bytes
        if not self._cache.put(track_id, entry):
            result.wasted_bytes += entry.wasted_bytes

    def _visible(self, number: int, position: int) -> list[UpcomingTrack]:
        """Returns the playing track and, each once, what follows it as far as policies see."""
        session, said = self._sessions[number], self._predictions[number]
        tracks = [*(play.track for play in session.plays[position:]), *session.continuation]
        predicted = said[position] if said else {}
        size_bytes = self._world.delivery.size_bytes

        def upcoming(track: Track) -> UpcomingTrack:
            entry = self._cache.peek(track.track_id)
            cached_bytes = min(int(entry.downloaded_bytes), size_bytes(track.duration_s)) if entry else 0
            known = (track.track_id, track.duration_s, size_bytes(track.duration_s), track.storage_class)
            prediction = predicted.get(track.track_id, UNKNOWN)
            return UpcomingTrack(*known, cached_bytes, *prediction, track.popularity)

        return [upcoming(track) for track in dict.fromkeys(tracks[: 1 + self._world.horizon])]


def _for_session(policy: Policy, session: RecordedSession) -> Policy:
    if isinstance(policy, Oracle):
        return policy.knowing([FuturePlay(play.track.track_id, play.listened_s) for play in session.plays])
    return policy


def _plays_by_time(number: int, session: RecordedSession) -> Iterator[tuple[float, int, int]]:
    """Yields (when, which session, which play)."""
    now_s = session.started_s
    for position, play in enumerate(session.plays):
        yield now_s, number, position
        now_s += play.listened_s + play.pause_s


def replay_edge(
    sessions: Sequence[RecordedSession],
    policies: Mapping[str, Policy],
    predictions: Sequence[SessionPredictions],
    world: World,
    advance: Callable[[int], None] = lambda replays: None,
) -> dict[str, list[SessionResult]]:
    """Returns each policy's results, by session, of all sessions over one shared cache.

    Args:
        sessions: At least one.
        policies: By name.
        predictions: For each session, what the server says at each play.
        world: The edge: its cache, the storage behind it and its bandwidth.
        advance: Called with the number of sessions replayed since, for a progress bar.
    """
    return {
        name: _EdgeReplay(sessions, policy, predictions, world).run(advance)
        for name, policy in policies.items()
    }
