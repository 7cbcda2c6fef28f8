"""What a decision about prefetching takes and gives."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.link_estimate import LinkObservations


class CurvePoint(NamedTuple):
    """A point of a track's listening curve.

    Attributes:
        at_s: A moment of the track, in seconds.
        heard_probability: P(the listener is still there | the track starts).
    """

    at_s: float
    heard_probability: float


class TrackPrediction(NamedTuple):
    """A server's prediction for a track.

    Attributes:
        play_through_probability: Probability in [0, 1] that the listener hears it out.
        listening_curve: How that comes about over the track's seconds; empty without one.
    """

    play_through_probability: float
    listening_curve: tuple[CurvePoint, ...] = ()


class UpcomingTrack(NamedTuple):
    """A track as a policy sees it: nothing here is known only afterwards.

    Attributes:
        track_id: The track.
        duration_s: Its length in seconds.
        size_bytes: Its size in bytes.
        storage_class: FAST, MEDIUM or SLOW; None when unknown.
        cached_bytes: How many of its first bytes the client has.
        play_through_probability: Probability in [0, 1] that the listener hears it out once it starts.
        listening_curve: How that probability comes about over the track's seconds, in order; empty when the
            server does not say.
        popularity: The catalogue's, 0 to 100.
    """

    track_id: str
    duration_s: float
    size_bytes: int
    storage_class: str | None
    cached_bytes: int
    play_through_probability: float
    listening_curve: tuple[CurvePoint, ...] = ()
    popularity: float = 0.0


class ListenerRecord(NamedTuple):
    """What the client itself has seen of its listener.

    Attributes:
        plays: Recent plays that have ended.
        played_through: Of those, the ones heard out.
    """

    plays: int = 0
    played_through: int = 0

    def after(self, *, skipped: bool) -> "ListenerRecord":
        """Returns the record with one more play."""
        return ListenerRecord(self.plays + 1, self.played_through + (not skipped))


class Fetch(NamedTuple):
    """A range of a track's bytes to fetch, both ends included as in an HTTP range.

    Attributes:
        track_id: The track.
        first_byte: First byte of the range, from 0.
        last_byte: Last byte of the range.
        latest_start_s: In how many seconds its transfer has to begin at the latest, to be there when a
            listener who skips nothing needs it; 0 for at once. The order of a plan is what counts while it
            can be kept.
    """

    track_id: str
    first_byte: int
    last_byte: int
    latest_start_s: float = 0.0

    @property
    def size_bytes(self) -> int:
        """Returns how many bytes the range holds."""
        return self.last_byte - self.first_byte + 1


class AheadStep(NamedTuple):
    """How far to stream ahead from a moment of the playing track on.

    Attributes:
        from_s: The moment, in seconds.
        ahead_s: The distance between what is there and what is heard, in seconds.
    """

    from_s: float
    ahead_s: float


class Plan(NamedTuple):
    """What to have when.

    Attributes:
        fetches: Ranges of upcoming tracks, in the order in which to fetch them; the playing track's own
            stream has the link's first claim.
        ahead: How far the player streams the playing track ahead of what is heard, the first step from the
            track's beginning; at least a chunk, whatever is planned. None for the player's own habit.
        stream_bytes: How many of the playing track's first bytes to stream at all; the player goes on when
            the listener does. None for all.
    """

    fetches: tuple[Fetch, ...] = ()
    ahead: tuple[AheadStep, ...] | None = None
    stream_bytes: int | None = None


class Objective(StrEnum):
    """What rationed bytes are to buy."""

    BYTES = "bytes"  # bytes that are heard: worth is the expected share heard of what is missing
    PLAYS = "plays"  # plays heard out from the cache: worth is P(heard out) per missing MB (10⁶ bytes)


class Ration(NamedTuple):
    """A price of bytes, for whole tracks ahead.

    Attributes:
        objective: What the bytes are to buy.
        price: The least worth that a track is fetched for, in the objective's unit; see `BytePrice`.
    """

    objective: Objective
    price: float


@dataclass(frozen=True, slots=True)
class PrefetchRequest:
    """What is known when a plan is made, commonly when a play starts.

    Attributes:
        playing: The track that plays.
        queue: The tracks to come, next first; each once, the playing one not among them.
        free_bytes: How many bytes the client's cache can still take.
        delivery: The audio, the storage and the player.
        listener: What the client has seen of its listener.
        position: How many plays came before in the session.
        link: What the client has seen of its link.
        playing_at_s: Where the listener is in the playing track, in seconds.
        ration: Whole tracks at a price of bytes; None for what spares waits.
    """

    playing: UpcomingTrack
    queue: Sequence[UpcomingTrack]
    free_bytes: int
    delivery: Delivery
    listener: ListenerRecord = field(default_factory=ListenerRecord)
    position: int = 0
    link: LinkObservations = field(default_factory=LinkObservations)
    playing_at_s: float = 0.0
    ration: Ration | None = None
