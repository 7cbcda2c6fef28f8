"""The client's cache: the first bytes of tracks. `cachetools` says which track leaves first."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cachetools import Cache, LFUCache, LRUCache


@dataclass(slots=True)
class CachedTrack:
    """What the cache holds of a track: always a run of its first bytes.

    Bytes are fractional while a transfer is under way.

    Attributes:
        downloaded_bytes: How many.
        heard_bytes: How far into the track the listener has heard since they came.
        plays: How often it was played since they came.
    """

    downloaded_bytes: float = 0.0
    heard_bytes: float = 0.0
    plays: int = 0

    @property
    def wasted_bytes(self) -> float:
        """Returns the bytes that nobody heard."""
        return max(0.0, self.downloaded_bytes - self.heard_bytes)


class Eviction(StrEnum):
    """Which track leaves a full cache first."""

    LRU = "lru"
    LFU = "lfu"


_CACHES: dict[Eviction, Callable[[float], "Cache[str, CachedTrack]"]] = {
    Eviction.LRU: LRUCache,
    Eviction.LFU: LFUCache,
}


class ClientCache:
    """Holds tracks' first bytes up to a capacity.

    Attributes:
        wasted_bytes: Bytes that left the cache unheard.
    """

    def __init__(self, capacity_bytes: int, eviction: Eviction = Eviction.LRU) -> None:
        """Starts empty."""
        self._capacity_bytes = capacity_bytes
        # Entries grow while they are in: room is made ahead of that, and the library's own limit stays open.
        self._tracks = _CACHES[eviction](math.inf)
        self.wasted_bytes = 0.0

    def cached_bytes(self, track_id: str) -> float:
        """Returns how many of a track's first bytes are here. No play: the order of eviction stays."""
        track = Cache.__getitem__(self._tracks, track_id) if track_id in self._tracks else None
        return track.downloaded_bytes if track is not None else 0.0

    def unheard_bytes(self, track_id: str) -> float:
        """Returns how many bytes of a track are here that nobody has heard."""
        return self.entry(track_id).wasted_bytes if track_id in self._tracks else 0.0

    def entry(self, track_id: str) -> CachedTrack:
        """Returns a track's entry, made when there is none. No play either."""
        if track_id not in self._tracks:
            self._tracks[track_id] = CachedTrack()
        return Cache.__getitem__(self._tracks, track_id)

    def played(self, track_id: str) -> None:
        """Counts a play of a track."""
        if (track := self._tracks.get(track_id)) is not None:
            track.plays += 1

    def free_bytes(self, kept: Iterable[str], reserved_bytes: float) -> int:
        """Returns how much may be fetched: what is neither reserved nor taken by tracks to keep."""
        held_bytes = sum(self.cached_bytes(track_id) for track_id in kept)
        return max(0, int(self._capacity_bytes - reserved_bytes - held_bytes))

    def make_room(self, wanted_bytes: float, playing: str, upcoming: Sequence[str]) -> None:
        """Evicts until so many bytes fit: by the rule of eviction first, then what is needed last.

        The playing track stays: one larger than the cache streams through it.

        Args:
            wanted_bytes: Bytes to come.
            playing: The track that plays.
            upcoming: The queue, next first.
        """
        excess_bytes = wanted_bytes - self._capacity_bytes
        excess_bytes += sum(Cache.__getitem__(self._tracks, it).downloaded_bytes for it in self._tracks)
        if excess_bytes <= 0:
            return
        # The library's own order, first to leave first: it is emptied and filled again, since it cannot be
        # asked to pass tracks over.
        left = dict(self._tracks.popitem() for _ in range(len(self._tracks)))
        kept = {playing, *upcoming}
        for track_id in [*(it for it in left if it not in kept), *reversed(upcoming)]:
            if excess_bytes > 0 and track_id in left:
                excess_bytes -= self._evict(left.pop(track_id))
        for track_id, track in left.items():
            self._put_back(track_id, track)

    def _put_back(self, track_id: str, track: CachedTrack) -> None:
        """Puts an entry in with the plays that it has: a new one counts none."""
        self._tracks[track_id] = track
        for _ in range(track.plays):
            self._tracks.get(track_id)

    def _evict(self, track: CachedTrack) -> float:
        self.wasted_bytes += track.wasted_bytes
        return track.downloaded_bytes

    def clear(self) -> None:
        """Ends the session: what was never heard is wasted."""
        while self._tracks:
            self._evict(self._tracks.popitem()[1])
