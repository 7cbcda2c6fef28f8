"""From what a player knows when it asks for a plan to the plan: client library and server share it.

A live player's numbers can be nonsense: a length that is not known yet, a cache that is over-full, a queue
that repeats itself. None of that may cost a listener the plan, so what cannot be is left out here, before the
rule.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from cache_client.prefetch.advisor import advise
from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.link_estimate import LinkObservations
from cache_client.prefetch.listener import listener_rate
from cache_client.prefetch.plan import (
    ListenerRecord,
    Plan,
    PrefetchRequest,
    Ration,
    TrackPrediction,
    UpcomingTrack,
)
from cache_client.prefetch.score import ScoreWeights
from playthrough.v1.limits import (
    MAX_BYTES,
    MAX_FETCHES,
    MAX_PLANNED_CHUNKS,
    MAX_QUEUED_TRACKS,
    MAX_SECONDS,
    MAX_SILENCES,
    MAX_STRING_LENGTH,
    MAX_TRACK_MS,
    MAX_TRANSFERS,
)

_LEAST_TRACK_S, _MOST_TRACK_S = 0.001, MAX_TRACK_MS / 1000
_LEAST_TRANSFER_S = 1e-6


class QueuedTrack(NamedTuple):
    """A track as a player knows it.

    Attributes:
        track_id: The track.
        duration_s: Its length in seconds; 0 when unknown.
        storage_class: FAST, MEDIUM or SLOW; None when unknown.
        cached_bytes: How many of its first bytes are here.
    """

    track_id: str
    duration_s: float
    storage_class: str | None = None
    cached_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Play:
    """A play under way, as its player knows it.

    Attributes:
        playing: The track that plays.
        queue: The tracks to come, next first.
        free_bytes: How many bytes the cache can still take.
        delivery: The audio, the storage and the player.
        at_s: Where the listener is in the playing track, in seconds.
        link: What the client has seen of its link.
        ration: Whole tracks at a price of bytes; None for what spares waits.
    """

    playing: QueuedTrack
    queue: Sequence[QueuedTrack]
    free_bytes: int
    delivery: Delivery = field(default_factory=Delivery)
    at_s: float = 0.0
    link: LinkObservations = field(default_factory=LinkObservations)
    ration: Ration | None = None

    @property
    def track_ids(self) -> list[str]:
        """Returns the tracks that a server could know, the playing one first."""
        return [it.track_id for it in (self.playing, *self.queue) if is_accepted(it.track_id)]

    @property
    def missing_chunks(self) -> int:
        """Returns how many chunks of the queue a plan may have to weigh: its time grows with them."""
        return sum(_missing_chunks(it, self.delivery) for it in self.queue)


def plan_of(
    play: Play, predictions: Mapping[str, TrackPrediction], record: ListenerRecord, weights: ScoreWeights
) -> Plan:
    """Returns the advisor's plan for a play; a track that was not predicted has the listener's own rate.

    Args:
        play: What `sensible` made of what the player knows.
        predictions: By track id; fitted to the listener, unless for a ration.
        record: What the listener's recent plays were.
        weights: Prices of a wait and of a wasted byte.

    Returns:
        At most 4,000 fetches; no distances ahead for a track of unknown length.
    """
    unknown = TrackPrediction(listener_rate(record))
    playing, *queue = (
        UpcomingTrack(
            it.track_id,
            it.duration_s,
            play.delivery.size_bytes(it.duration_s),
            it.storage_class,
            it.cached_bytes,
            *predictions.get(it.track_id, unknown),
        )
        for it in (play.playing, *play.queue)
    )
    request = PrefetchRequest(
        playing,
        tuple(queue),
        play.free_bytes,
        play.delivery,
        record,
        link=play.link,
        playing_at_s=play.at_s,
        ration=play.ration,
    )
    plan = advise(request, weights)
    return plan._replace(fetches=plan.fetches[:MAX_FETCHES], ahead=plan.ahead if playing.duration_s else None)


def sensible(play: Play) -> Play:
    """Returns a play that the rule can plan for, in bounded time: nonsense left out or moved into range.

    The queue loses tracks that have no id or no length, repetitions, the playing track, all behind the 200th,
    and the tracks behind the first 50,000 missing chunks. A playing track without a length has 0 s.
    """
    playing = _in_range(play.playing, play.delivery)
    return replace(
        play,
        playing=playing or play.playing._replace(duration_s=0.0, cached_bytes=0),
        queue=tuple(_few_chunks(_each_once(play), play.delivery)),
        free_bytes=int(_between(play.free_bytes, 0, MAX_BYTES)),
        at_s=_between(play.at_s, 0.0, playing.duration_s if playing else 0.0),
        link=_sensible_link(play.link),
    )


def _each_once(play: Play) -> list[QueuedTrack]:
    """Returns the queue's tracks that can be planned, without repetitions and the playing one."""
    first: dict[str, QueuedTrack] = {}
    for track in play.queue:
        if len(first) == MAX_QUEUED_TRACKS:
            break
        if track.track_id != play.playing.track_id and is_accepted(track.track_id):
            kept = _in_range(track, play.delivery)
            if kept is not None:
                first.setdefault(track.track_id, kept)
    return list(first.values())


def _few_chunks(queue: Sequence[QueuedTrack], delivery: Delivery) -> Iterator[QueuedTrack]:
    """Yields the tracks until their missing chunks are as many as a plan may weigh."""
    left = MAX_PLANNED_CHUNKS
    for track in queue:
        left -= _missing_chunks(track, delivery)
        if left < 0:
            return
        yield track


def _missing_chunks(track: QueuedTrack, delivery: Delivery) -> int:
    return math.ceil((delivery.size_bytes(track.duration_s) - track.cached_bytes) / delivery.chunk_bytes)


def _in_range(track: QueuedTrack, delivery: Delivery) -> QueuedTrack | None:
    """Returns a track with no more cached than it has; None when its length cannot be one."""
    if not _LEAST_TRACK_S <= track.duration_s <= _MOST_TRACK_S:
        return None
    cached_bytes = int(_between(track.cached_bytes, 0, delivery.size_bytes(track.duration_s)))
    return track._replace(cached_bytes=cached_bytes)


def _sensible_link(link: LinkObservations) -> LinkObservations:
    """Returns the observations that a link can have made, the latest of them."""
    transfers = [
        it
        for it in link.transfers
        if 1.0 <= it.size_bytes <= MAX_BYTES and _LEAST_TRANSFER_S <= it.duration_s <= MAX_SECONDS
    ]
    silences_s = [it for it in link.silences_s if 0.0 < it <= MAX_SECONDS]
    return LinkObservations(
        tuple(transfers[-MAX_TRANSFERS:]),
        _between(link.watched_s, 0.0, MAX_SECONDS),
        tuple(silences_s[-MAX_SILENCES:]),
    )


def is_accepted(name: str) -> bool:
    """Returns whether the contract takes a text: as a track's id, or as a genre."""
    return 0 < len(name) <= MAX_STRING_LENGTH


def _between(value: float, least: float, most: float) -> float:
    """Returns the nearest number of a range; its least for NaN."""
    return min(value, most) if value > least else least
