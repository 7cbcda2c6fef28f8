"""A cache of byte-sized entries under a capacity; `cachetools` says what leaves."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from cachetools import Cache, LFUCache, LRUCache

from cache_client.simulator.cache import CachedTrack, Eviction

Evicted = Callable[[str, CachedTrack], None]


class _Telling(Cache[str, CachedTrack]):
    """Tells of every entry that leaves, on top of one of the library's caches."""

    evicted: Evicted

    def popitem(self) -> Any:
        """Removes what the library's rule names, and tells."""
        track_id, track = super().popitem()
        self.evicted(track_id, track)
        return track_id, track


class _LRU(_Telling, LRUCache[str, CachedTrack]):
    """Least recently used first."""


class _LFU(_Telling, LFUCache[str, CachedTrack]):
    """Least frequently used first."""


def _size_bytes(track: CachedTrack) -> float:
    return track.downloaded_bytes


class ByteCache:
    """Holds entries up to a capacity; one larger than all of it is served but not kept."""

    def __init__(
        self,
        capacity_bytes: int,
        eviction: Eviction = Eviction.LRU,
        evicted: Evicted = lambda track_id, track: None,
    ) -> None:
        """Starts empty.

        Args:
            capacity_bytes: How much fits.
            eviction: What leaves first.
            evicted: Told of each entry that leaves.
        """
        kind = {Eviction.LRU: _LRU, Eviction.LFU: _LFU}[eviction]
        self._tracks = kind(capacity_bytes, getsizeof=_size_bytes)
        self._tracks.evicted = evicted

    def get(self, track_id: str) -> CachedTrack | None:
        """Returns an entry, which counts as a use of it."""
        track: CachedTrack | None = self._tracks.get(track_id)
        if track is not None:
            track.plays += 1
        return track

    def peek(self, track_id: str) -> CachedTrack | None:
        """Returns an entry without using it."""
        return Cache.__getitem__(self._tracks, track_id) if track_id in self._tracks else None

    def put(self, track_id: str, track: CachedTrack) -> bool:
        """Puts an entry in, or in again after it has grown; returns whether it is kept.

        Growing is no use of it: it keeps the uses that it has.
        """
        # Without its former self, which must neither be displaced by it, and so be told of, nor count twice.
        self._tracks.pop(track_id, None)
        if track.downloaded_bytes > self._tracks.maxsize:
            return False
        self._tracks[track_id] = track
        for _ in range(track.plays):
            self._tracks.get(track_id)
        return True

    def clear(self) -> None:
        """Lets every entry leave."""
        while self._tracks:
            self._tracks.popitem()


class Request(NamedTuple):
    """A request for a whole object.

    Attributes:
        track_id: The object.
        size_bytes: Its size.
    """

    track_id: str
    size_bytes: int


def hits(requests: Iterable[Request], capacity_bytes: int, eviction: Eviction) -> list[bool]:
    """Returns for each request of a trace whether it hits a cache that keeps what it is asked for."""
    cache = ByteCache(capacity_bytes, eviction)
    found = []
    for request in requests:
        hit = cache.get(request.track_id) is not None
        found.append(hit)
        if not hit:
            cache.put(request.track_id, CachedTrack(float(request.size_bytes)))
    return found
