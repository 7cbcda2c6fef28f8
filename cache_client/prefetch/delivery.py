"""What a player knows of its audio and of the storage behind it. The link is not known, but observed."""

import math
from dataclasses import dataclass

from playthrough.v1.limits import AUDIO_BYTES_PER_S, CHUNK_S, MAX_LATENCY_MS, MAX_SECONDS

_LEAST_BIT_PER_S, _MOST_BIT_PER_S = 8 * AUDIO_BYTES_PER_S[0], 8 * AUDIO_BYTES_PER_S[1]


@dataclass(frozen=True, slots=True)
class Delivery:
    """The audio, the way to it, and how the player streams.

    Storage latencies are assumptions (the data names classes, not times); sweep them.

    Attributes:
        rtt_ms: Round trip between client and server, in ms.
        bit_rate_bit_per_s: What one second of audio takes, in bit/s.
        fast_ms: Time to the first byte of a track in FAST storage, in ms.
        medium_ms: The same for MEDIUM.
        slow_ms: The same for SLOW, and for a track whose class is unknown.
        chunk_s: Audio in one chunk, in seconds. A play starts when its first chunk is there.
        buffer_ahead_s: How far the player streams the playing track ahead of what is heard, in seconds,
            where a plan does not say otherwise.
    """

    rtt_ms: float = 50.0
    bit_rate_bit_per_s: float = 160_000.0
    fast_ms: float = 5.0
    medium_ms: float = 50.0
    slow_ms: float = 500.0
    chunk_s: float = 2.0
    buffer_ahead_s: float = 30.0

    def __post_init__(self) -> None:
        """Refuses what no player can be set to, before a plan is made with it.

        Raises:
            ValueError: A field is not finite, or out of its range.
        """
        check_range("rtt_ms", self.rtt_ms, 0.0, MAX_LATENCY_MS)
        check_range("bit_rate_bit_per_s", self.bit_rate_bit_per_s, _LEAST_BIT_PER_S, _MOST_BIT_PER_S)
        check_range("fast_ms", self.fast_ms, 0.0, MAX_LATENCY_MS)
        check_range("medium_ms", self.medium_ms, 0.0, MAX_LATENCY_MS)
        check_range("slow_ms", self.slow_ms, 0.0, MAX_LATENCY_MS)
        check_range("chunk_s", self.chunk_s, *CHUNK_S)
        check_range("buffer_ahead_s", self.buffer_ahead_s, 0.0, MAX_SECONDS)

    @property
    def audio_bytes_per_s(self) -> float:
        """Returns what one second of audio takes, in bytes."""
        return self.bit_rate_bit_per_s / 8

    @property
    def chunk_bytes(self) -> int:
        """Returns the size of one chunk, in bytes."""
        return max(1, math.ceil(self.chunk_s * self.audio_bytes_per_s))

    def size_bytes(self, duration_s: float) -> int:
        """Returns the size of a track of a duration in seconds, in bytes; at least 1."""
        return max(1, math.ceil(duration_s * self.audio_bytes_per_s))

    def first_byte_s(self, storage_class: str | None) -> float:
        """Returns the time from a request to its first byte (round trip and storage), in seconds."""
        storage_ms = {"FAST": self.fast_ms, "MEDIUM": self.medium_ms}.get(storage_class or "", self.slow_ms)
        return (self.rtt_ms + storage_ms) / 1000


def check_range(name: str, value: float, least: float, most: float) -> None:
    """Refuses a number out of its range, and NaN.

    Raises:
        ValueError: The line that names it.
    """
    if not least <= value <= most:
        raise ValueError(f"{name} is {value:g}, not a number from {least:g} to {most:g}")
