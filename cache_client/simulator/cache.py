"""The client's cache: the first bytes of tracks, least recently played out first."""

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
    """Holds tracks' first bytes up to a capacity.

    Attributes:
        wasted_bytes: Bytes that left the cache unheard.
    """

    def __init__(self, capacity_bytes: int) -> None:
        """Starts empty."""
        self._capacity_bytes = capacity_bytes
        self._tracks: OrderedDict[str, CachedTrack] = OrderedDict()
        self.wasted_bytes = 0.0

    def cached_bytes(self, track_id: str) -> float:
        """Returns how many of a track's first bytes are here."""
        track = self._tracks.get(track_id)
        return track.downloaded_bytes if track is not None else 0.0

    def entry(self, track_id: str) -> CachedTrack:
        """Returns a track's entry, made when there is none."""
        return self._tracks.setdefault(track_id, CachedTrack())

    def played(self, track_id: str) -> None:
        """Marks a track as the most recently played."""
        if track_id in self._tracks:
            self._tracks.move_to_end(track_id)

    def free_bytes(self, kept: Iterable[str], reserved_bytes: float) -> int:
        """Returns how much may be fetched: what is neither reserved nor taken by tracks to keep."""
        held_bytes = sum(self.cached_bytes(track_id) for track_id in kept)
        return max(0, int(self._capacity_bytes - reserved_bytes - held_bytes))

    def make_room(self, wanted_bytes: float, playing: str, upcoming: Sequence[str]) -> None:
        """Evicts until so many bytes fit: what was played longest ago first, then what is needed last.

        The playing track stays: one larger than the cache streams through it.

        Args:
            wanted_bytes: Bytes to come.
            playing: The track that plays.
            upcoming: The queue, next first.
        """
        excess_bytes = wanted_bytes - self._capacity_bytes
        excess_bytes += sum(track.downloaded_bytes for track in self._tracks.values())
        if excess_bytes <= 0:
            return
        needed_later = {playing, *upcoming}
        played = [track_id for track_id in self._tracks if track_id not in needed_later]
        for track_id in [*played, *reversed(upcoming)]:
            if excess_bytes <= 0:
                return
            evicted = self._tracks.pop(track_id, CachedTrack())
            self.wasted_bytes += evicted.wasted_bytes
            excess_bytes -= evicted.downloaded_bytes

    def clear(self) -> None:
        """Ends the session: what was never heard is wasted."""
        self.wasted_bytes += sum(track.wasted_bytes for track in self._tracks.values())
        self._tracks.clear()
