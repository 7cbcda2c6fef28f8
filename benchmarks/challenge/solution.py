"""Our rules behind the challenge's interface: a class with `Initialize` and `run`."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Protocol

from cache_client.prefetch.advisor import advise
from cache_client.prefetch.chunk_planner import STEP_S, ChunkPlanner, Stage, mean_rate
from cache_client.prefetch.chunks import Chunks, ChunkWeights, Ready
from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.link_observer import LinkObserver
from cache_client.prefetch.plan import CurvePoint, PrefetchRequest, UpcomingTrack
from cache_client.prefetch.score import ScoreWeights
from cache_client.prefetch.throughput import Transfer, safe_throughput

RTT_S = 0.08
"""The round trip that the challenge publishes."""

LEVELS_MBIT_PER_S = (0.75, 1.2, 1.85)
ASSUMED_MBIT_PER_S = 1.2
"""Before anything was seen of the link: the middle level flows."""

# Chosen on the traces for development.
SPREAD = 0.3
MARGIN = 0.15
MOST_AHEAD = 1

_MS = 1000

Choice = tuple[int, int, float]
"""The video whose next chunk to fetch, its level, and for how many ms to sleep instead; 0 to fetch."""


class Player(Protocol):
    """What a video of the challenge's queue lets an algorithm see."""

    video_size: dict[int, list[float]]

    def get_user_model(self) -> tuple[Sequence[float], Sequence[str]]: ...  # noqa: D102
    def get_chunk_sum(self) -> int: ...  # noqa: D102
    def get_chunk_counter(self) -> int: ...  # noqa: D102
    def get_downloaded_bitrate(self) -> list[int]: ...  # noqa: D102
    def get_buffer_size(self) -> float: ...  # noqa: D102
    def get_play_chunk(self) -> float: ...  # noqa: D102


class _Solution:
    """The challenge's interface, for a rule of ours."""

    def __init__(self) -> None:
        self._transfers: list[Transfer] = []

    def Initialize(self) -> None:
        """Does nothing: a session takes a new object."""

    def run(
        self,
        delay: float,
        rebuf: float,
        video_size: float,
        end_of_video: bool,
        play_video_id: int,
        Players: Sequence[Player],
        first_step: bool = False,
    ) -> Choice:
        """Returns what to do next, as `run.py` asks for it."""
        self._observe(video_size, delay / _MS)
        return self._choose(play_video_id, Players)

    def _observe(self, size_bytes: float, duration_s: float) -> None:
        if size_bytes > 0 and duration_s > 0:
            self._transfers.append(Transfer(size_bytes, duration_s))

    def _choose(self, playing: int, players: Sequence[Player]) -> Choice:
        raise NotImplementedError


@cache
def _planner(ahead_switch: float, spread: float, margin: float, most_ahead: int) -> ChunkPlanner:
    """Returns the one planner of a process: videos recur, and so do their solutions."""
    weights = ChunkWeights(LEVELS_MBIT_PER_S, 1.85, 0.5, ahead_switch)
    return ChunkPlanner(weights, rtt_s=RTT_S, spread=spread, margin=margin, most_ahead=most_ahead)


class ChunkPlannerSolution(_Solution):
    """The step worth most in expectation."""

    def __init__(
        self,
        ahead_switch: float = 1.0,
        spread: float = SPREAD,
        margin: float = MARGIN,
        most_ahead: int = MOST_AHEAD,
    ) -> None:
        """Starts a session.

        Args:
            ahead_switch: See `ChunkWeights`; `run.py` counts a first chunk fetched ahead as a change from 0.
            spread: See `ChunkPlanner`.
            margin: See `ChunkPlanner`.
            most_ahead: See `ChunkPlanner`.
        """
        super().__init__()
        self._planner = _planner(ahead_switch, spread, margin, most_ahead)
        self._videos: dict[int, Chunks] = {}
        self._last_level: int | None = None

    def _choose(self, playing: int, players: Sequence[Player]) -> Choice:
        levels = players[0].get_downloaded_bitrate()
        self._last_level = levels[-1] if levels else self._last_level
        following = players[1] if len(players) > 1 else None
        ahead = following.get_downloaded_bitrate() if following else []
        stage = Stage(
            self._chunks(playing, players[0]),
            players[0].get_chunk_counter(),
            self._last_level,
            max(0.0, players[0].get_buffer_size() / _MS),
            self._chunks(playing + 1, following) if following else None,
            Ready(ahead[0], len(ahead)) if ahead else None,
        )
        step = self._planner.step(stage, mean_rate(self._transfers, RTT_S, ASSUMED_MBIT_PER_S))
        if step.level is None:
            return playing, 0, STEP_S * _MS
        return playing + step.ahead, step.level, 0.0

    def _chunks(self, video: int, player: Player) -> Chunks:
        if video not in self._videos:
            self._videos[video] = chunks_of(player)
        return self._videos[video]


class AdviseSolution(_Solution):
    """The product's planner as it is, with the highest level that the safe throughput carries."""

    def __init__(self, wait: bool = True) -> None:
        """Starts a session.

        Args:
            wait: Fetch nothing ahead before a fetch's latest start; else in the plan's order as soon as the
                playing video's lead is there.
        """
        super().__init__()
        self._wait = wait
        self._observer = LinkObserver(LEVELS_MBIT_PER_S[0] * 1e6 / 8)

    def _observe(self, size_bytes: float, duration_s: float) -> None:
        super()._observe(size_bytes, duration_s)
        if size_bytes > 0:
            self._observer.received(size_bytes, duration_s)
        elif duration_s > 0:
            self._observer.paced(duration_s)

    def _choose(self, playing: int, players: Sequence[Player]) -> Choice:
        throughput = safe_throughput(self._transfers) or 0.0
        level = max(i for i, rate in enumerate(LEVELS_MBIT_PER_S) if i == 0 or rate * 1e6 / 8 <= throughput)
        rate = LEVELS_MBIT_PER_S[level] * 1e6
        delivery = Delivery(
            RTT_S * _MS, bit_rate_bit_per_s=rate, fast_ms=0, medium_ms=0, slow_ms=0, chunk_s=1.0
        )
        tracks = [upcoming(str(playing + place), player, delivery) for place, player in enumerate(players)]
        at_s = players[0].get_play_chunk()
        request = PrefetchRequest(
            tracks[0], tracks[1:], 10**9, delivery, link=self._observer.observations(), playing_at_s=at_s
        )
        plan = advise(request, ScoreWeights(), session_end_probability=0.0)
        ahead_s = [it.ahead_s for it in plan.ahead or () if it.from_s <= at_s + 1e-9][-1]
        lead_s, there = players[0].get_buffer_size() / _MS, players[0].get_chunk_counter()
        if there < players[0].get_chunk_sum() and (there == 0 or lead_s < ahead_s):
            return playing, level, 0.0
        for fetch in plan.fetches:
            if not self._wait or fetch.latest_start_s <= STEP_S:
                return int(fetch.track_id), level, 0.0
        return playing, 0, STEP_S * _MS


SOLUTIONS: dict[str, Callable[[], _Solution]] = {
    "advise": AdviseSolution,
    "chunk_planner": ChunkPlannerSolution,
}


def chunks_of(player: Player) -> Chunks:
    """Returns a video as our rule takes it."""
    _, retention = player.get_user_model()
    n = player.get_chunk_sum()
    mbit = tuple(
        tuple(size * 8e-6 for size in player.video_size[level]) for level in sorted(player.video_size)
    )
    # The end mark that follows the last second is no retention.
    return Chunks(mbit, tuple(map(float, retention[: n + 1])))


def upcoming(track_id: str, player: Player, delivery: Delivery) -> UpcomingTrack:
    """Returns a video as the product's planner takes a track, as if all of it came at one bit rate."""
    _, retention = player.get_user_model()
    n = player.get_chunk_sum()
    curve = tuple(CurvePoint(float(second), float(retention[second])) for second in range(1, n))
    cached_bytes = player.get_chunk_counter() * delivery.chunk_bytes
    size_bytes = delivery.size_bytes(n)
    return UpcomingTrack(
        track_id, n, size_bytes, None, min(cached_bytes, size_bytes), float(retention[n]), curve
    )


def solution_named(name: str, options: dict[str, Any]) -> Callable[[], _Solution]:
    """Returns what makes a rule of ours for a session."""
    return lambda: SOLUTIONS[name](**options)
