"""What each next step of a stream is worth: fetch a chunk at some bit rate, one of the next track's, or wait.

A listener who may leave at any moment, by the track's listening curve, hears the bit rate of what is there,
waits where nothing is, and pays for every byte. Worth is found backwards from the track's end (dynamic
programming) over the next chunk to fetch, the lead (by how much what is there exceeds what was heard), the
bit rate of the chunk before, since changes are heard, and what of the next track is there.

A fetch takes its size by the link's rate, times one of several factors for how wrong such a forecast is.
Meanwhile the listener goes on, leaves (the bytes are wasted, and the next track waits for the rest of the
transfer) or stalls. To wait costs nothing, and spares a chunk that turns out never to be heard: so a stream
is lazy where skips are likely and the link is sure, eager where they are not. No threshold says so.

Source:
    Bellman, "Dynamic Programming", 1957. What is weighed: Yin et al., "A Control-Theoretic Approach for
    Dynamic Adaptive Video Streaming over HTTP", SIGCOMM 2015. Laziness by retention: Zuo et al.,
    "Bandwidth-Efficient Multi-video Prefetching for Short Video Streaming", ACM MM 2022.
"""

import math
from collections.abc import Sequence

from cache_client.prefetch.chunks import Chunks, ChunkWeights, Pace, Ready

STEP_S = 0.1
"""The grid's step, and the shortest wait, in seconds."""

LONGEST_LEAD_S = 6.0
"""A longer lead counts as this one."""

_LEADS = round(LONGEST_LEAD_S / STEP_S) + 1


class Worth:
    """What the stages of a track are worth, solved once for a pace."""

    def __init__(
        self,
        track: Chunks,
        after: Sequence[float],
        pace: Pace,
        weights: ChunkWeights,
        *,
        ready: Ready | None = None,
        ahead: "Sequence[tuple[float, Worth]]" = (),
    ) -> None:
        """Solves the track from its end.

        Args:
            track: The track that plays.
            after: Worth of what follows when the listener leaves, by the bit rate last heard.
            pace: The link's.
            weights: What counts.
            ready: What of the next track is there; None for nothing.
            ahead: What may be fetched of the next track: a chunk's size in Mbit, this track's worth with it.
        """
        self.track, self.after, self.pace, self.weights = track, after, pace, weights
        self.ready, self.ahead = ready, ahead
        self._times = [[pace.transfers_s(it) for it in sizes] for sizes in track.mbit]
        self._ahead_times = [pace.transfers_s(mbit) for mbit, _ in ahead]
        self._levels = range(len(weights.mbit_per_s))
        self._changes = [[abs(a - b) for b in weights.mbit_per_s] for a in weights.mbit_per_s]
        # values[chunk][bit rate before][lead]
        self.values: list[list[list[float]]] = [
            [[0.0] * _LEADS for _ in self._levels] for _ in range(track.n + 1)
        ]
        for chunk in range(track.n, 0, -1):
            for lead in range(_LEADS):
                worths = self._best(chunk, lead * STEP_S) if lead * STEP_S <= chunk else None
                for before, row in enumerate(self.values[chunk]):
                    row[lead] = row[lead - 1] if worths is None else worths[before]

    def at(self, chunk: int, before: int, lead_s: float) -> float:
        """Returns the worth of a state: the next chunk, the bit rate before it, the lead."""
        row = self.values[chunk][before]
        place = lead_s / STEP_S
        index = int(place)
        if index >= _LEADS - 1:
            return row[_LEADS - 1]
        return row[index] + (place - index) * (row[index + 1] - row[index])

    def _best(self, chunk: int, lead_s: float) -> list[float]:
        """Returns the worth of the best next step, by the bit rate before."""
        fetched = self.fetched(chunk, lead_s)
        return [
            max(
                [
                    self.waited(chunk, lead_s, before),
                    *self.changed(fetched, chunk, lead_s, before),
                    *self.readying(chunk, lead_s, before),
                ]
            )
            for before in self._levels
        ]

    def changed(self, fetched: Sequence[float], chunk: int, lead_s: float, before: int) -> list[float]:
        """Returns what fetches are worth with the change from the bit rate before."""
        if not fetched:
            return []
        felt = self._stays(chunk - lead_s, chunk)
        return [worth - felt * change for worth, change in zip(fetched, self._changes[before], strict=True)]

    def fetched(self, chunk: int, lead_s: float) -> list[float]:
        """Returns the worth of fetching the next chunk now, by bit rate, the change of it left out."""
        track, weights = self.track, self.weights
        if chunk >= track.n:
            return []
        felt = self._stays(chunk - lead_s, chunk)
        fixed = 0.0
        if self.ready is not None:
            last = felt - (self._stays(chunk - lead_s, chunk + 1) if chunk + 1 < track.n else 0.0)
            fixed = weights.ahead_switch * weights.mbit_per_s[self.ready.level] * last
        covered_s = self.ready.chunks if self.ready else 0.0
        worths = []
        for level in self._levels:
            total = 0.0
            times = self._times[level][chunk]
            for time_s in times:
                played_s = min(time_s, lead_s)
                stays = self._stays(chunk - lead_s, chunk - lead_s + played_s)
                # Who leaves does so midway, on average; the next track's start then waits for the rest.
                rest_s = max(0.0, time_s - played_s / 2 - covered_s)
                going_on = self.at(chunk + 1, level, lead_s - played_s + 1.0)
                total += stays * (going_on - weights.wait_per_s * (time_s - played_s))
                total += (1 - stays) * (self.after[level] - weights.wait_per_s * rest_s)
            gain = felt * weights.mbit_per_s[level] - weights.price_per_mbit * track.mbit[level][chunk]
            worths.append(total / len(times) + gain - fixed)
        return worths

    def readying(self, chunk: int, lead_s: float, before: int) -> list[float]:
        """Returns the worth of fetching each of `ahead` now."""
        covered_s = self.ready.chunks if self.ready else 0.0
        worths = []
        for (mbit, readied), times in zip(self.ahead, self._ahead_times, strict=True):
            total = 0.0
            for time_s in times:
                played_s = min(time_s, lead_s)
                at_s = chunk - lead_s
                over = chunk >= self.track.n and time_s >= lead_s
                stays = 0.0 if over else self._stays(at_s, at_s + played_s)
                going_on = readied.at(chunk, before, lead_s - played_s)
                rest_s = max(0.0, time_s - played_s / 2 - covered_s)
                total += stays * (going_on - self.weights.wait_per_s * (time_s - played_s))
                total += (1 - stays) * (readied.after[before] - self.weights.wait_per_s * rest_s)
            worths.append(total / len(times) - self.weights.price_per_mbit * mbit)
        return worths

    def waited(self, chunk: int, lead_s: float, before: int) -> float:
        """Returns the worth of a wait of one step; -inf where it would stall."""
        if chunk >= self.track.n and lead_s < STEP_S:
            return self.after[before]
        if lead_s < STEP_S:
            return -math.inf
        stays = self._stays(chunk - lead_s, chunk - lead_s + STEP_S)
        return stays * self.at(chunk, before, lead_s - STEP_S) + (1 - stays) * self.after[before]

    def _stays(self, from_s: float, to_s: float) -> float:
        """Returns P(the listener is there at one moment | there at another before it)."""
        there = self.track.heard_at(from_s)
        return self.track.heard_at(to_s) / there if there > 0 else 0.0


def start_worth(
    track: Chunks, worth: Worth, pace: Pace, weights: ChunkWeights, before: int | None
) -> list[float]:
    """Returns what it is worth to fetch a track's first chunk when it starts, by bit rate."""
    worths = []
    for level, rate in enumerate(weights.mbit_per_s):
        mbit = track.mbit[level][0]
        change = 0.0 if before is None else abs(rate - weights.mbit_per_s[before])
        worths.append(
            rate
            - change
            - weights.price_per_mbit * mbit
            - weights.wait_per_s * pace.transfer_s(mbit)
            + _following(worth, level)
        )
    return worths


def ready_worth(track: Chunks, worth: Worth, weights: ChunkWeights, ready: Ready, before: int) -> float:
    """Returns what a track is worth when it starts with some chunks there."""
    rate = weights.mbit_per_s[ready.level]
    heard = sum(track.heard[: ready.chunks])
    change = abs(rate - weights.mbit_per_s[before])
    return heard * rate - change + _following(worth, ready.level, ready.chunks)


def _following(worth: Worth, level: int, chunks: int = 1) -> float:
    return worth.at(chunks, level, float(chunks)) if worth.track.n > chunks else worth.after[level]
