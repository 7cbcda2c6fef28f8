"""What a decision about prefetching takes and gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cache_client.delivery import Delivery


class UpcomingTrack(NamedTuple):
    """A track as a policy sees it: nothing here is known only afterwards.

    Attributes:
        track_id: The track.
        duration_s: Its length in seconds.
        size_bytes: Its size in bytes.
        storage_class: FAST, MEDIUM or SLOW; None when unknown.
        cached_bytes: How many of its first bytes the client has.
        play_through_probability: Probability in [0, 1] that the listener hears it out once it starts.
    """

    track_id: str
    duration_s: float
    size_bytes: int
    storage_class: str | None
    cached_bytes: int
    play_through_probability: float


class Fetch(NamedTuple):
    """A range of a track's bytes to fetch, both ends included as in an HTTP range.

    Attributes:
        track_id: The track.
        first_byte: First byte of the range, from 0.
        last_byte: Last byte of the range.
    """

    track_id: str
    first_byte: int
    last_byte: int

    @property
    def size_bytes(self) -> int:
        """Returns how many bytes the range holds."""
        return self.last_byte - self.first_byte + 1


@dataclass(frozen=True, slots=True)
class PrefetchRequest:
    """What is known when a play starts.

    Attributes:
        playing: The track that starts.
        queue: The tracks to come, next first; each once, the playing one not among them.
        free_bytes: How many bytes the client's cache can still take.
        delivery: The link, the storage and the player.
    """

    playing: UpcomingTrack
    queue: Sequence[UpcomingTrack]
    free_bytes: int
    delivery: Delivery
