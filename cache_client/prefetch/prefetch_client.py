"""What a player or an edge node embeds: a track starts, a fetch plan comes back, in bounded time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cache_client.prefetch.advisor import advise
from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.listener import listener_rate, listener_record
from cache_client.prefetch.plan import Plan, PrefetchRequest, TrackPrediction, UpcomingTrack
from cache_client.prefetch.queue import predict_queue
from cache_client.prefetch.score import ScoreWeights
from cache_client.rpc.client import PredictionClient
from cache_client.rpc.convert import string_list
from cache_client.rpc.messages import ListenerContext
from cache_client.rpc.status import no_answer
from playthrough.v1.limits import MAX_TRACK_IDS


class QueuedTrack(NamedTuple):
    """A track as a player knows it.

    Attributes:
        track_id: The track.
        duration_s: Its length in seconds.
        storage_class: FAST, MEDIUM or SLOW; None when unknown.
        cached_bytes: How many of its first bytes are here.
    """

    track_id: str
    duration_s: float
    storage_class: str | None = None
    cached_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Advice:
    """A plan, and what it rests on.

    Attributes:
        plan: What to fetch, and how far to stream.
        model: The model that answered; empty when the listener's own rate stood in for the server.
        version: Its version.
        fallback_reason: Why the server's answer is missing, in a line; empty when it is there.
    """

    plan: Plan
    model: str = ""
    version: str = ""
    fallback_reason: str = ""


@dataclass(slots=True)
class PrefetchClient:
    """Turns a play and its queue into a fetch plan. The player never waits longer than the deadline.

    Attributes:
        client: The prediction server; the caller closes it.
        favourite_genres: The listener's.
        delivery: The link, the storage and the player, as the embedder measures or knows them.
        weights: Prices of a wait and of a wasted byte.
        model: The model to ask; empty for the default one.
        deadline_s: How long to wait for the server before the local rule answers, in seconds.
    """

    client: PredictionClient
    favourite_genres: Sequence[str] = ()
    delivery: Delivery = field(default_factory=Delivery)
    weights: ScoreWeights = field(default_factory=ScoreWeights)
    model: str = ""
    deadline_s: float = 0.25

    def __post_init__(self) -> None:
        """Refuses what `on_play` could only answer without the server.

        Raises:
            TypeError: The favourite genres are one string.
        """
        string_list("favourite_genres", self.favourite_genres)

    async def on_play(
        self,
        track: QueuedTrack,
        queue: Sequence[QueuedTrack],
        *,
        free_bytes: int,
        context: ListenerContext | None = None,
    ) -> Advice:
        """Returns what to fetch while a track plays; one `RankTracks` call, and never an error.

        Args:
            track: The track that starts.
            queue: The tracks to come, next first.
            free_bytes: How many bytes the cache can still take.
            context: What is known of the listener; its recent plays also feed the local rule.
        """
        context = context or ListenerContext()
        visible = _each_once([track, *queue])[:MAX_TRACK_IDS]
        try:
            async with asyncio.timeout(self.deadline_s):
                track_ids = [it.track_id for it in visible]
                found = await predict_queue(
                    self.client, track_ids, self.favourite_genres, context, model=self.model
                )
        except Exception as error:
            # Music must not stop for want of advice: neither for a server's fault nor for a client's that is
            # closed, or that cannot put the request into a message.
            if isinstance(error, TimeoutError):
                error = no_answer(self.client.target, self.deadline_s, connected=self.client.is_connected)
            reason = " ".join(str(error).split()) or type(error).__name__
            return Advice(self._plan(visible, {}, free_bytes, context), fallback_reason=reason)
        return Advice(self._plan(visible, found.tracks, free_bytes, context), found.model, found.version)

    def _plan(
        self,
        visible: Sequence[QueuedTrack],
        predicted: dict[str, TrackPrediction],
        free_bytes: int,
        context: ListenerContext,
    ) -> Plan:
        """Returns the advisor's plan; a track that was not predicted has the listener's own rate."""
        record = listener_record(context)
        unknown = TrackPrediction(listener_rate(record))
        playing, *queue = (
            UpcomingTrack(
                it.track_id,
                it.duration_s,
                self.delivery.size_bytes(it.duration_s),
                it.storage_class,
                max(0, min(it.cached_bytes, self.delivery.size_bytes(it.duration_s))),
                *predicted.get(it.track_id, unknown),
            )
            for it in visible
        )
        position = context.position or 0
        request = PrefetchRequest(playing, tuple(queue), free_bytes, self.delivery, record, position)
        return advise(request, self.weights)


def _each_once(tracks: Sequence[QueuedTrack]) -> list[QueuedTrack]:
    """Returns the tracks in order, without later repetitions."""
    first: dict[str, QueuedTrack] = {}
    for track in tracks:
        first.setdefault(track.track_id, track)
    return list(first.values())
