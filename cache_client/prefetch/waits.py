"""The waits that bytes of an upcoming track spare, over the link as it is estimated."""

import math

from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.heard import heard_probability
from cache_client.prefetch.link_estimate import LinkEstimate
from cache_client.prefetch.plan import UpcomingTrack

_SLOWEST_GROWTH = 0.001
"""Seconds of lead that a play gains a second at least: next to none, and no zero to divide by."""

_CHAIN = 4.0
"""On a link slower than the audio what a track does not need lets the link fetch for as many after it."""

_UNSEEN_RATE = 2.0
"""What a link is taken to carry of which nothing was seen, as a multiple of the audio's rate."""


class Waits:
    """What a plan weighs for one request: the audio and the storage as configured, the link as estimated.

    Attributes:
        delivery: The audio, the storage and the player.
        link: What to expect of the link.
        bytes_per_s: What the link carries, in bytes/s; twice the audio's rate while nothing of it was seen.
        safe_bytes_per_s: The same with a margin, for what must be in time.
    """

    def __init__(self, delivery: Delivery, link: LinkEstimate) -> None:
        """Computes once what every piece of a plan asks for."""
        self.delivery, self.link = delivery, link
        self._audio = delivery.audio_bytes_per_s
        self.bytes_per_s = link.bytes_per_s or _UNSEEN_RATE * self._audio
        self.safe_bytes_per_s = link.safe_bytes_per_s or self.bytes_per_s
        self._spare_bytes_per_s = self.bytes_per_s - self._audio

    def start_bytes(self, track: UpcomingTrack) -> int:
        """Returns how many first bytes let a track start at once and play until the rest flows."""
        chunks = max(1, math.ceil(self.delivery.first_byte_s(track.storage_class) / self.delivery.chunk_s))
        return min(chunks * self.delivery.chunk_bytes, track.size_bytes)

    def start_fetched_s(self, track: UpcomingTrack) -> float:
        """Returns how long the missing part of a start takes beside a stream; inf on a slower link."""
        missing_bytes = self.start_bytes(track) - track.cached_bytes
        if missing_bytes <= 0:
            return 0.0
        if self._spare_bytes_per_s <= 0:
            return math.inf
        return self.delivery.first_byte_s(track.storage_class) + missing_bytes / self._spare_bytes_per_s

    def start_spared_s(self, track: UpcomingTrack) -> float:
        """Returns the wait that the rest of a track's first chunks spares, in seconds."""
        cached_s = track.cached_bytes / self._audio
        to_first_byte_s = max(0.0, self.delivery.first_byte_s(track.storage_class) - cached_s)
        missing_bytes = max(0, min(self.delivery.chunk_bytes, track.size_bytes) - track.cached_bytes)
        return to_first_byte_s + missing_bytes / self.bytes_per_s

    def silent_s(self, lead_s: float, heard_s: float) -> float:
        """Returns the silence that a second of audio more than a lead spares, in seconds.

        It spares one that begins before the track does, since the track before is all there by then, and
        those that come while the lead of the new one grows.

        Args:
            lead_s: The lead at the track's start, in seconds.
            heard_s: How long the track is heard, in seconds: so long the lead can grow.
        """
        growth = max(_SLOWEST_GROWTH, self._spare_bytes_per_s / self._audio)
        before = self.link.silent_s(lead_s)
        return before + (before - self.link.silent_s(lead_s + growth * heard_s)) / growth

    def drained_s(self, track: UpcomingTrack, at_s: float) -> float:
        """Returns the wait that a second of audio there spares on a link slower than the audio, in seconds.

        A play that began with so much of the track there runs dry at some moment: only who hears more gains
        by more, but what this track can spare is fetched of the next ones.
        """
        falling = -_CHAIN * self._spare_bytes_per_s / self._audio
        if falling <= 0 or (dry_s := at_s / min(1.0, falling)) >= track.duration_s:
            return 0.0
        return heard_probability(track, dry_s) * self._audio / self.bytes_per_s
