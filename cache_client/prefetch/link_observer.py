"""Watches a link while bytes come over it, and keeps what plans need to know of it."""

import math
from collections import deque

from cache_client.prefetch.link_estimate import LinkObservations
from cache_client.prefetch.throughput import Transfer, mean_throughput

MOST_TRANSFERS = 20
MOST_SILENCES = 100

_SHORTEST_S = 0.5
"""Below, a silence is jitter: no player has a shorter lead."""

_TRANSFER_S = 1.0
"""Reads are added up to transfers of so many seconds, or seconds of audio: single reads are noise."""


class LinkObserver:
    """One for each network of a device, kept for as long as the device uses that network.

    Tell it of every read: `received` where the client wanted more than came, `paced` where all that was
    wanted came. A player that streams chunk by chunk and rests between them is paced while it rests.
    `play_began` at each play, and when the last one is over.
    """

    def __init__(self, audio_bytes_per_s: float, seen: LinkObservations | None = None) -> None:
        """Starts with what was seen before, in an earlier process for example; nothing when not given.

        Args:
            audio_bytes_per_s: What a second of audio takes, in bytes.
            seen: What `observations` returned then.
        """
        seen = seen or LinkObservations()
        self._audio_bytes_per_s = audio_bytes_per_s
        self._transfers = deque(seen.transfers, MOST_TRANSFERS)
        # Each with when it ended on the clock of watched seconds: one that is dropped takes its time along.
        # Of those before nobody knows when they came: evenly.
        apart_s = seen.watched_s / max(1, len(seen.silences_s))
        ended = (((place + 1) * apart_s, it) for place, it in enumerate(seen.silences_s))
        self._silences = deque(ended, MOST_SILENCES)
        self._from_s, self._watched_s = 0.0, seen.watched_s
        self._behind_s = self._deepest_s = 0.0
        self._size_bytes = self._duration_s = 0.0

    def received(self, size_bytes: float, duration_s: float) -> None:
        """Adds a time in which more bytes were wanted than came.

        Args:
            size_bytes: How many came, of any track; 0 in a silence.
            duration_s: How long that took, in seconds.
        """
        if not (0 <= size_bytes < math.inf and 0 <= duration_s < math.inf):
            return  # a clock that was set back, a size that was not told: nothing to learn from
        self._watched_s += duration_s
        if size_bytes > 0:
            self._add_transfer(size_bytes, duration_s)
        self._behind_s = max(0.0, self._behind_s + duration_s - size_bytes / self._pace_bytes_per_s())
        self._deepest_s = max(self._deepest_s, self._behind_s)
        if self._behind_s == 0.0:
            self._end_silence()

    def paced(self, duration_s: float) -> None:
        """Adds a time in which every byte came that was wanted: the buffer is as full as it should be."""
        if not 0 <= duration_s < math.inf:
            return
        self._watched_s += duration_s
        self._behind_s = 0.0
        self._end_silence()

    def play_began(self) -> None:
        """Ends a silence under way: the lead of a play bridges its own."""
        self.paced(0.0)

    def observations(self) -> LinkObservations:
        """Returns what was seen so far, a silence under way included."""
        silences = [it for _, it in self._silences]
        if self._deepest_s >= _SHORTEST_S:
            silences.append(self._deepest_s)
        watched_s = self._watched_s - self._from_s
        return LinkObservations(tuple(self._transfers), watched_s, tuple(silences[-MOST_SILENCES:]))

    def _add_transfer(self, size_bytes: float, duration_s: float) -> None:
        self._size_bytes += size_bytes
        self._duration_s += duration_s
        if self._duration_s >= _TRANSFER_S or self._size_bytes >= _TRANSFER_S * self._audio_bytes_per_s:
            self._transfers.append(Transfer(self._size_bytes, self._duration_s))
            self._size_bytes = self._duration_s = 0.0

    def _pace_bytes_per_s(self) -> float:
        """Returns the rate below which a link falls silent: the audio's, or its own where that is less."""
        return min(self._audio_bytes_per_s, mean_throughput(self._transfers) or math.inf)

    def _end_silence(self) -> None:
        if self._deepest_s >= _SHORTEST_S:
            if len(self._silences) == MOST_SILENCES:
                self._from_s, _ = self._silences[0]
            self._silences.append((self._watched_s, self._deepest_s))
        self._deepest_s = 0.0
