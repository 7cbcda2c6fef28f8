"""The client's cache: the first bytes of tracks, least recently used first to leave."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class CachedTrack:
    """What the cache holds of a track: always a run of its first bytes.

    Bytes are fractional while a transfer is under way.

    Attributes:
        downloaded_bytes: How many.
        heard_bytes: How far into the track the listener has heard since they came.
    """

    downloaded_bytes: float = 0.0
    heard_bytes: float = 0.0

    @property
    def wasted_bytes(self) -> float:
        """Returns the bytes that nobody heard."""
        return max(0.0, self.downloaded_bytes - self.heard_bytes)


class ClientCache:
    """An LRU of tracks' first bytes up to a capacity; tracks of the queue leave last.

    Attributes:
        wasted_bytes: Bytes that left the cache unheard.
    """

    def __init__(self, capacity_bytes: int) -> None:
        """Starts empty."""
        self._capacity_bytes = capacity_bytes
        self._tracks: OrderedDict[str, CachedTrack] = OrderedDict()  # least recently used first
        self.wasted_bytes = 0.0

    def cached_bytes(self, track_id: str) -> float:
        """Returns how many of a track's first bytes are here. Not a use: the order of eviction stays."""
        track = self._tracks.get(track_id)
        return track.downloaded_bytes if track is not None else 0.0

    def entry(self, track_id: str) -> CachedTrack:
        """Returns a track's entry, made when there is none. Not a use either."""
        return self._tracks.setdefault(track_id, CachedTrack())

    def played(self, track_id: str) -> None:
        """Makes a track the most recently used one."""
        if track_id in self._tracks:
            self._tracks.move_to_end(track_id)

    def free_bytes(self, kept: Iterable[str], reserved_bytes: float) -> int:
        """Returns how much may be fetched: what is neither reserved nor taken by tracks to keep."""
        held_bytes = sum(self.cached_bytes(track_id) for track_id in kept)
        return max(0, int(self._capacity_bytes - reserved_bytes - held_bytes))

    def make_room(self, wanted_bytes: float, playing: str, upcoming: Sequence[str]) -> None:
        """Evicts until so many bytes fit: least recently used tracks first, then the queue from its end.

        The playing track stays: one larger than the cache streams through it.
        """
        excess_bytes = wanted_bytes - self._capacity_bytes
        excess_bytes += sum(track.downloaded_bytes for track in self._tracks.values())
        kept = {playing, *upcoming}
        for track_id in [*(it for it in self._tracks if it not in kept), *reversed(upcoming)]:
            if excess_bytes <= 0:
                return
            if track_id in self._tracks:
                excess_bytes -= self._evict(track_id)

    def clear(self) -> None:
        """Ends the session: what was never heard is wasted."""
        for track_id in list(self._tracks):
            self._evict(track_id)

    def _evict(self, track_id: str) -> float:
        """Removes a track; returns how many bytes that frees."""
        track = self._tracks.pop(track_id)
        self.wasted_bytes += track.wasted_bytes
        return track.downloaded_bytes
