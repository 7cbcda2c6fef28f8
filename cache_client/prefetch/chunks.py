"""A track in chunks at several bit rates, and how fast they come: what a choice among them is made from."""

import math
from dataclasses import dataclass
from typing import NamedTuple

_QUANTILES = (-1.40, -0.53, 0.0, 0.53, 1.40)
"""Middles of five equal parts of the normal distribution."""


class Chunks(NamedTuple):
    """A track in chunks of one second.

    Attributes:
        mbit: Sizes in Mbit (10⁶ bit), by bit rate and chunk.
        heard: P(the listener is there when a second begins | the track starts), for all seconds and the end.
    """

    mbit: tuple[tuple[float, ...], ...]
    heard: tuple[float, ...]

    @property
    def n(self) -> int:
        """Returns how many chunks there are."""
        return len(self.mbit[0])

    def heard_at(self, at_s: float) -> float:
        """Returns P(the listener is there at a moment, in seconds | the track starts)."""
        if at_s >= self.n:
            return self.heard[self.n]
        second = int(at_s)
        return self.heard[second] + (at_s - second) * (self.heard[second + 1] - self.heard[second])


@dataclass(frozen=True, slots=True)
class ChunkWeights:
    """What a stream is judged by.

    Attributes:
        mbit_per_s: The bit rates, in Mbit/s, lowest first: the worth of a second heard.
        wait_per_s: Price of a second waited.
        price_per_mbit: Price of a Mbit downloaded, heard or not.
        ahead_switch: Which part of its bit rate the next track's first chunk costs where it was fetched
            before the last heard chunk of the track before; 0 where such an order is not heard.
    """

    mbit_per_s: tuple[float, ...] = (0.75, 1.2, 1.85)
    wait_per_s: float = 1.85
    price_per_mbit: float = 0.5
    ahead_switch: float = 0.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast bytes come.

    Attributes:
        mbit_per_s: The link's rate, in Mbit/s.
        spread: Standard deviation of the logarithm of what transfers take against the forecast.
        rtt_s: Time from a request to its first byte, in seconds.
    """

    mbit_per_s: float
    spread: float
    rtt_s: float

    def transfers_s(self, mbit: float) -> list[float]:
        """Returns equally likely times that a transfer takes, in seconds."""
        factors = [math.exp(self.spread * it) for it in _QUANTILES]
        scale = mbit / self.mbit_per_s * len(factors) / sum(factors)
        return [self.rtt_s + scale * it for it in factors]

    def transfer_s(self, mbit: float) -> float:
        """Returns the mean time that a transfer takes, in seconds."""
        return self.rtt_s + mbit / self.mbit_per_s


class Ready(NamedTuple):
    """What of the next track is there: so many first chunks, all at one bit rate."""

    level: int
    chunks: int
