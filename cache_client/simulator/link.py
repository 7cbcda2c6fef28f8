"""A session's link: a constant bandwidth with dropouts, or a recorded one."""

import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from cache_client.prefetch.link_observer import LinkObserver

_PLAY_S = 200.0
"""How long a play is that nobody recorded."""


class Link(Protocol):
    """A link over a session's time, which only moves forward."""

    def bytes_per_s(self, now_s: float) -> float:
        """Returns what the link carries now, in bytes/s."""
        ...

    def change_s(self, now_s: float) -> float:
        """Returns when that changes next, in seconds; later than now."""
        ...


class LinkTrace:
    """A recorded link: pieces of constant bandwidth, from the beginning again after the last one."""

    def __init__(self, name: str, durations_s: Sequence[float], bytes_per_s: Sequence[float]) -> None:
        """Takes the pieces' durations in seconds and what each carries, in bytes/s."""
        self.name = name
        self._bytes_per_s = tuple(bytes_per_s)
        self._ends_s = tuple(accumulate(durations_s))

    @property
    def duration_s(self) -> float:
        """Returns how long the recording is, in seconds."""
        return self._ends_s[-1]

    @property
    def mean_bytes_per_s(self) -> float:
        """Returns what it carries on average, in bytes/s."""
        begins_s = (0.0, *self._ends_s)
        pieces = zip(begins_s, self._ends_s, self._bytes_per_s, strict=False)
        return sum((end_s - begin_s) * rate for begin_s, end_s, rate in pieces) / self.duration_s

    def piece(self, at_s: float) -> tuple[float, float]:
        """Returns what the link carries at a moment, in bytes/s, and when that ends, in seconds."""
        rounds, in_s = divmod(at_s, self.duration_s)
        place = min(bisect_right(self._ends_s, in_s), len(self._ends_s) - 1)
        end_s = rounds * self.duration_s + self._ends_s[place]
        return self._bytes_per_s[place], end_s if end_s > at_s else math.nextafter(at_s, math.inf)


@dataclass(frozen=True, slots=True)
class LinkWorld:
    """What the links of a simulation are like. The client is told nothing of it.

    Attributes:
        bandwidth_bit_per_s: What a link carries, in bit/s.
        dropouts_per_hour: How often it carries nothing for a moment: a radio link lost and set up anew.
        dropout_s: How long such a moment lasts on average (exponential), in seconds.
        traces: Recorded links instead; each session has one of them, from some moment on.
    """

    bandwidth_bit_per_s: float = 2_000_000.0
    dropouts_per_hour: float = 6.0
    dropout_s: float = 1.5
    traces: tuple[LinkTrace, ...] = ()

    def describe(self) -> str:
        """Returns the link in a few words."""
        if self.traces:
            return f"{len(self.traces)} recorded links" if len(self.traces) > 1 else self.traces[0].name
        return f"{self.bandwidth_bit_per_s / 1e6:g} Mbit/s link"

    def link(self, seed: str) -> Link:
        """Returns the link of a seed, such as a session's: all policies meet the same one."""
        if self.traces:
            draw = random.Random(seed)
            trace = draw.choice(self.traces)
            return RecordedLink(trace, draw.uniform(0.0, trace.duration_s))
        return DroppingLink(self, seed)


class RecordedLink:
    """A trace from some moment on."""

    def __init__(self, trace: LinkTrace, from_s: float) -> None:
        """Starts at that moment of the trace, in seconds."""
        self._trace, self._from_s = trace, from_s

    def bytes_per_s(self, now_s: float) -> float:
        """Returns what the link carries now, in bytes/s."""
        return self._trace.piece(self._from_s + now_s)[0]

    def change_s(self, now_s: float) -> float:
        """Returns when that changes next, in seconds."""
        change_s = self._trace.piece(self._from_s + now_s)[1] - self._from_s
        return change_s if change_s > now_s else math.nextafter(now_s, math.inf)


class DroppingLink:
    """A constant bandwidth, and moments at which nothing comes through (exponential gaps and lengths)."""

    def __init__(self, world: LinkWorld, seed: str) -> None:
        """Draws the first dropout."""
        self._bytes_per_s = world.bandwidth_bit_per_s / 8
        self._draw = random.Random(seed)
        drops = world.dropouts_per_hour > 0 and world.dropout_s > 0
        self._gap_s = 3600 / world.dropouts_per_hour if drops else math.inf
        self._mean_s = world.dropout_s
        self._from_s = self._until_s = 0.0
        self._next(0.0)

    def bytes_per_s(self, now_s: float) -> float:
        """Returns what the link carries now, in bytes/s."""
        self._pass(now_s)
        return 0.0 if self._from_s <= now_s else self._bytes_per_s

    def change_s(self, now_s: float) -> float:
        """Returns when that changes next, in seconds."""
        self._pass(now_s)
        return self._until_s if self._from_s <= now_s else self._from_s

    def _pass(self, now_s: float) -> None:
        while self._until_s <= now_s:
            self._next(self._until_s)

    def _next(self, from_s: float) -> None:
        if math.isinf(self._gap_s):
            self._from_s = self._until_s = math.inf
            return
        self._from_s = from_s + self._draw.expovariate(1 / self._gap_s)
        self._until_s = self._from_s + self._draw.expovariate(1 / self._mean_s)


def sent_s(link: Link, asked_s: float) -> float:
    """Returns when a request leaves that is made at a moment: after the silence that it falls into."""
    while link.bytes_per_s(asked_s) <= 0:
        asked_s = link.change_s(asked_s)
    return asked_s


def watch(link: Link, duration_s: float, audio_bytes_per_s: float, observer: LinkObserver) -> None:
    """Lets an observer see what a player sees that streams for some time, in seconds, at the audio's rate."""
    now_s, play_s = 0.0, 0.0
    while now_s < duration_s:
        rate, until_s = link.bytes_per_s(now_s), min(duration_s, link.change_s(now_s), play_s + _PLAY_S)
        # On a faster link a chunk at a time, as fast as it comes, and then a rest.
        full_s = until_s - now_s if rate < audio_bytes_per_s else min(1.0, until_s - now_s)
        observer.received(rate * full_s, full_s)
        if full_s < until_s - now_s:
            observer.paced(until_s - now_s - full_s)
        now_s = until_s
        if now_s >= play_s + _PLAY_S:
            play_s = now_s
            observer.play_began()
