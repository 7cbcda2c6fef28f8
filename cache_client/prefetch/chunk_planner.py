"""The next step of a stream in chunks: the one worth most in expectation."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from cache_client.prefetch.chunk_value import STEP_S, Worth, ready_worth, start_worth
from cache_client.prefetch.chunks import Chunks, ChunkWeights, Pace, Ready
from cache_client.prefetch.throughput import Transfer

_RATE_STEP = 0.15
"""Rates as near as this, in logarithms, share a solution: it holds for all states of a track."""

_LATEST = 20
_FEW = 5


class Stage(NamedTuple):
    """Where a stream is.

    Attributes:
        playing: The track that plays.
        fetched: How many of its first chunks are there.
        level: The bit rate of the last of them; where there is none, that of the track before's last.
        lead_s: How much of it is there and was not heard, in seconds.
        following: The next track; None for none.
        ready: What of it is there.
    """

    playing: Chunks
    fetched: int
    level: int | None
    lead_s: float
    following: Chunks | None = None
    ready: Ready | None = None


class Step(NamedTuple):
    """What to do next.

    Attributes:
        worth: What that and all that follows is worth in expectation.
        ahead: Whether it is the next track whose next chunk is to be fetched.
        level: At which bit rate; None to wait for `STEP_S`.
    """

    worth: float
    ahead: bool
    level: int | None


class ChunkPlanner:
    """Chooses the steps of a stream; keeps the solutions of the tracks that it has met."""

    def __init__(
        self,
        weights: ChunkWeights,
        *,
        rtt_s: float = 0.05,
        spread: float = 0.3,
        margin: float = 0.15,
        most_ahead: int = 1,
    ) -> None:
        """Solves nothing yet.

        Args:
            weights: What counts.
            rtt_s: Time from a request to its first byte, in seconds.
            spread: Standard deviation of the logarithm of what transfers take against the forecast.
            margin: Part of the link's rate not to count on: forecasts are wrong alike for several transfers
                in a row, and worth is found as if each were wrong by itself.
            most_ahead: How many of the next track's chunks may be fetched while another plays.
        """
        self._weights, self._rtt_s, self._spread = weights, rtt_s, spread
        self._margin, self._most_ahead = margin, most_ahead
        self._alone = lru_cache(maxsize=1024)(self._solve_alone)
        self._solved = lru_cache(maxsize=1024)(self._solve)

    def step(self, stage: Stage, mbit_per_s: float) -> Step:
        """Returns the step worth most at a rate of the link, in Mbit/s."""
        rate = round(math.log(mbit_per_s * (1.0 - self._margin)) / _RATE_STEP)
        worths = self._solved(stage.playing, stage.following, rate)
        if stage.fetched == 0:
            starts = start_worth(stage.playing, worths[None], self._pace(rate), self._weights, stage.level)
            return max(Step(worth, False, level) for level, worth in enumerate(starts))
        ready = stage.ready
        if ready is not None and (self._most_ahead == 0 or stage.following is None):
            ready = None
        if ready is not None:  # more than may be fetched ahead is no less
            ready = ready._replace(chunks=min(ready.chunks, self._most_ahead))
        return max(_steps(worths[ready], stage), key=lambda it: it.worth)

    def _pace(self, rate: int) -> Pace:
        return Pace(math.exp(rate * _RATE_STEP), self._spread, self._rtt_s)

    def _solve_alone(self, track: Chunks, rate: int) -> Worth:
        """Solves a track as if nothing followed: what follows differs little by where it is left."""
        return Worth(track, [0.0] * len(self._weights.mbit_per_s), self._pace(rate), self._weights)

    def _solve(self, track: Chunks, following: Chunks | None, rate: int) -> dict[Ready | None, Worth]:
        """Returns a track's worth by what of the next one is there."""
        if following is None:
            return {None: self._alone(track, rate)}
        pace, weights, levels = self._pace(rate), self._weights, range(len(self._weights.mbit_per_s))
        next_worth = self._alone(following, rate)
        solved: dict[Ready | None, Worth] = {}
        firsts: list[tuple[float, Worth]] = []
        for level in levels if self._most_ahead else ():
            ahead: list[tuple[float, Worth]] = []
            for chunks in range(min(self._most_ahead, following.n), 0, -1):
                ready = Ready(level, chunks)
                after = [ready_worth(following, next_worth, weights, ready, before) for before in levels]
                solved[ready] = Worth(track, after, pace, weights, ready=ready, ahead=ahead)
                ahead = [(following.mbit[level][chunks - 1], solved[ready])]
            firsts += ahead
        after = [max(start_worth(following, next_worth, pace, weights, before)) for before in levels]
        solved[None] = Worth(track, after, pace, weights, ahead=firsts)
        return solved


def mean_rate(transfers: Sequence[Transfer], rtt_s: float, assumed_mbit_per_s: float) -> float:
    """Returns what the link carries in the mean, in Mbit/s.

    Not on the safe side: `ChunkPlanner` weighs how wrong a forecast may be.

    Args:
        transfers: Newest last, each with its round trip.
        rtt_s: The round trip, in seconds.
        assumed_mbit_per_s: What to expect before anything was seen; it counts as a Mbit at first.
    """
    latest = transfers[-_LATEST:]
    assumed_mbit = 1.0 if len(latest) < _FEW else 0.0
    mbit = assumed_mbit + sum(it.size_bytes for it in latest) * 8e-6
    seconds = assumed_mbit / assumed_mbit_per_s + sum(max(0.02, it.duration_s - rtt_s) for it in latest)
    return mbit / seconds


def _steps(worth: Worth, stage: Stage) -> list[Step]:
    before = stage.level or 0
    place = stage.fetched, stage.lead_s
    fetches = worth.changed(worth.fetched(*place), *place, before)
    ahead = worth.readying(*place, before)
    return [
        Step(worth.waited(*place, before), False, None),
        *(Step(it, False, level) for level, it in enumerate(fetches)),
        *(Step(it, True, stage.ready.level if stage.ready else level) for level, it in enumerate(ahead)),
    ]


__all__ = ["STEP_S", "ChunkPlanner", "Stage", "Step", "mean_rate"]
