"""One play: the player's own stream goes first, and what the link has left goes to the fetch plan."""

import math
from collections import deque
from enum import Enum, auto

from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.link_observer import LinkObserver
from cache_client.prefetch.plan import AheadStep, Plan
from cache_client.simulator.cache import CachedTrack
from cache_client.simulator.link import Link
from cache_client.simulator.transfers import Transfers

_SAME_BYTES = 0.5
"""Amounts closer than this are the same: no event lies between two halves of a byte."""


class _Event(Enum):
    """What ends a stretch of time in which all rates are constant."""

    READY = auto()  # the stream's first missing byte can flow
    SOUND = auto()  # enough is there to (re)start
    FULL = auto()  # the buffer reaches as far ahead as the player wants, from either side
    COMPLETE = auto()  # the whole track is there
    LEFT = auto()  # the listener has heard what they heard
    EMPTY = auto()  # nothing left to play
    STEP = auto()  # the plan has another distance from here on
    LINK = auto()  # the link drops out, or is back


class Player:
    """Simulates one play on a link that its stream and the fetch plan share.

    Time jumps from event to event; between two of them every rate is constant.

    Attributes:
        now_s: The simulated time, in seconds.
        startup_delay_s: From asking for the track to its first sound.
        stall_s: Silence after that.
        downloaded_bytes: What the player itself has fetched.
    """

    def __init__(
        self,
        entry: CachedTrack,
        size_bytes: int,
        delivery: Delivery,
        link: Link,
        observer: LinkObserver,
        asked_s: float,
    ) -> None:
        """Starts at the moment when the track is asked for; its cache entry grows with the stream."""
        self._entry, self._link, self._observer = entry, link, observer
        self._size_bytes = float(size_bytes)
        self._audio = delivery.audio_bytes_per_s
        self._chunk_bytes = float(delivery.chunk_bytes)
        self._ahead_bytes = max(delivery.buffer_ahead_s * self._audio, self._chunk_bytes)
        self._stream_bytes = self._size_bytes
        self._steps: deque[AheadStep] = deque()
        self._heard_bytes = 0.0
        self._needed_bytes = min(self._chunk_bytes, self._size_bytes)
        self._sounding = entry.downloaded_bytes >= self._needed_bytes
        self._started = self._sounding
        self.now_s = asked_s
        self.startup_delay_s = self.stall_s = self.downloaded_bytes = 0.0

    def follow(self, plan: Plan) -> None:
        """Sets how far to stream, as a plan has it."""
        if plan.ahead is not None:
            self._steps = deque(plan.ahead)
            self._step()
        if plan.stream_bytes is not None:
            self._stream_bytes = min(max(float(plan.stream_bytes), self._needed_bytes), self._size_bytes)

    def _step(self) -> None:
        """Sets the distance that holds from here on."""
        self._ahead_bytes = max(self._steps.popleft().ahead_s * self._audio, self._chunk_bytes)

    def play(self, listened_bytes: float, ready_s: float, transfers: Transfers) -> None:
        """Plays as much as the listener hears; transfers get what the stream leaves of the link.

        The stream's first missing byte can be there at `ready_s`.
        """
        while not self._sounding or self._heard_bytes < listened_bytes:
            bytes_per_s = self._link.bytes_per_s(self.now_s)
            wanted = self._wanted_rate(ready_s)
            rate = min(wanted, bytes_per_s)
            wait_s, event = self._next_event(listened_bytes, ready_s, rate)
            change_s = self._link.change_s(self.now_s) - self.now_s
            if change_s < wait_s:
                wait_s, event = change_s, _Event.LINK
            self._pass(wait_s, rate, wanted, bytes_per_s, transfers)
            self._apply(event, listened_bytes, ready_s)
        self._entry.heard_bytes = max(self._entry.heard_bytes, self._heard_bytes)

    def _wanted_rate(self, ready_s: float) -> float:
        """Returns what the stream would take of the link now, in bytes/s; inf for all that it carries."""
        if self.now_s < ready_s or self._entry.downloaded_bytes >= self._stream_bytes:
            return 0.0
        over_bytes = self._entry.downloaded_bytes - self._heard_bytes - self._ahead_bytes
        if not self._sounding or over_bytes < -_SAME_BYTES:
            return math.inf
        return self._audio if over_bytes <= _SAME_BYTES else 0.0

    def _next_event(self, listened_bytes: float, ready_s: float, rate: float) -> tuple[float, _Event]:
        """Returns in how many seconds what happens."""
        there_bytes = self._entry.downloaded_bytes
        streaming = there_bytes < self._stream_bytes
        wait_s, event = math.inf, _Event.LEFT
        if self._sounding:
            wait_s = (listened_bytes - self._heard_bytes) / self._audio
            buffered_bytes, growth = there_bytes - self._heard_bytes, rate - self._audio
            over_bytes = buffered_bytes - self._ahead_bytes
            if self._steps and (to_bytes := self._steps[0].from_s * self._audio) < listened_bytes:
                step_s = max(0.0, to_bytes - self._heard_bytes) / self._audio
                wait_s, event = (step_s, _Event.STEP) if step_s < wait_s else (wait_s, event)
            if there_bytes < self._size_bytes and growth < 0 and buffered_bytes / -growth < wait_s:
                wait_s, event = buffered_bytes / -growth, _Event.EMPTY
            # The buffer moves towards its mark when it is over it and shrinks, or under it and grows.
            if abs(over_bytes) > _SAME_BYTES and over_bytes * growth < 0 and -over_bytes / growth < wait_s:
                wait_s, event = -over_bytes / growth, _Event.FULL
        elif rate > 0:
            wait_s, event = (self._needed_bytes - there_bytes) / rate, _Event.SOUND
        if rate > 0 and (self._stream_bytes - there_bytes) / rate < wait_s:
            wait_s, event = (self._stream_bytes - there_bytes) / rate, _Event.COMPLETE
        if streaming and self.now_s < ready_s and ready_s - self.now_s < wait_s:
            wait_s, event = ready_s - self.now_s, _Event.READY
        return wait_s, event

    def _pass(
        self, wait_s: float, rate: float, wanted: float, bytes_per_s: float, transfers: Transfers
    ) -> None:
        """Advances the time."""
        used = transfers.run(self.now_s, self.now_s + wait_s, bytes_per_s - rate)
        observe(self._observer, wait_s, rate, wanted, used)
        self.now_s += wait_s
        self._entry.downloaded_bytes += rate * wait_s
        self.downloaded_bytes += rate * wait_s
        if self._sounding:
            self._heard_bytes += self._audio * wait_s
        elif self._started:
            self.stall_s += wait_s
        else:
            self.startup_delay_s += wait_s

    def _apply(self, event: _Event, listened_bytes: float, ready_s: float) -> None:
        """Changes what the event changes, and removes rounding from what it fixes."""
        if event is _Event.READY:
            self.now_s = ready_s
        elif event is _Event.SOUND:
            self._there(self._needed_bytes)
            self._sounding = self._started = True
        elif event is _Event.COMPLETE:
            self._there(self._stream_bytes)
        elif event is _Event.STEP:
            self._heard_bytes = max(self._heard_bytes, self._steps[0].from_s * self._audio)
            self._step()
        elif event is _Event.LEFT:
            self._heard_bytes = listened_bytes
        elif event is _Event.EMPTY:
            self._heard_bytes = self._entry.downloaded_bytes
            self._sounding = False
            if self._heard_bytes >= self._stream_bytes:
                # The plan expected the listener to leave here.
                self._stream_bytes = self._size_bytes
            self._needed_bytes = min(self._heard_bytes + self._chunk_bytes, self._size_bytes)
            self._stream_bytes = max(self._stream_bytes, self._needed_bytes)

    def _there(self, exact_bytes: float) -> None:
        """Sets what is there to an exact figure, and counts the difference as downloaded."""
        self.downloaded_bytes += exact_bytes - self._entry.downloaded_bytes
        self._entry.downloaded_bytes = exact_bytes


def observe(
    observer: LinkObserver, duration_s: float, rate: float, wanted: float, used: tuple[float, float]
) -> None:
    """Lets an observer see what a client saw of its link for a time in which all rates were constant.

    Args:
        observer: The client's.
        duration_s: The time, in seconds.
        rate: What the stream got, in bytes/s.
        wanted: What it would have taken.
        used: For how many seconds transfers took the rest of the link, and the bytes that they got.
    """
    full_s, moved_bytes = used
    if wanted > rate:
        full_s = duration_s
    if full_s > 0:
        observer.received(rate * full_s + moved_bytes, full_s)
    if wanted > 0 and duration_s > full_s:
        observer.paced(duration_s - full_s)
