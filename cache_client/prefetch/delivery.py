"""How bytes get from a track's storage to a listener's client: the figures, and what follows from them."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delivery:
    """A client's link, the storage behind it, and how the player uses them.

    Storage latencies and dropouts are assumptions (the data names classes, not times); sweep them.

    Attributes:
        bandwidth_bit_per_s: What the link carries, in bit/s.
        rtt_ms: Round trip between client and server, in ms.
        bit_rate_bit_per_s: What one second of audio takes, in bit/s.
        fast_ms: Time to the first byte of a track in FAST storage, in ms.
        medium_ms: The same for MEDIUM.
        slow_ms: The same for SLOW, and for a track whose class is unknown.
        chunk_s: Audio in one chunk, in seconds. A play starts when its first chunk is there.
        buffer_ahead_s: How far the player streams the playing track ahead of what is heard, in seconds,
            where a plan does not say otherwise.
        dropouts_per_hour: How often the link carries nothing for a moment: a radio link lost and set up anew.
        dropout_s: How long such a moment lasts on average (exponential), in seconds.
    """

    bandwidth_bit_per_s: float = 2_000_000.0
    rtt_ms: float = 50.0
    bit_rate_bit_per_s: float = 160_000.0
    fast_ms: float = 5.0
    medium_ms: float = 50.0
    slow_ms: float = 500.0
    chunk_s: float = 2.0
    buffer_ahead_s: float = 30.0
    dropouts_per_hour: float = 6.0
    dropout_s: float = 1.5

    @property
    def bandwidth_bytes_per_s(self) -> float:
        """Returns what the link carries, in bytes/s."""
        return self.bandwidth_bit_per_s / 8

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
