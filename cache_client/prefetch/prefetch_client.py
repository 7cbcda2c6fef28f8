"""What a player or an edge node embeds: a track starts, a fetch plan comes back, in bounded time."""

import asyncio
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field, replace

from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.link_estimate import LinkObservations
from cache_client.prefetch.link_observer import LinkObserver
from cache_client.prefetch.listener import listener_record
from cache_client.prefetch.plan import Plan, Ration
from cache_client.prefetch.play import Play, QueuedTrack, plan_of, sensible
from cache_client.prefetch.queue import predict_queue
from cache_client.prefetch.score import ScoreWeights
from cache_client.rpc.client import PredictionClient
from cache_client.rpc.convert import string_list
from cache_client.rpc.messages import ListenerContext
from cache_client.rpc.status import no_answer
from playthrough.v1.limits import MAX_RECENT_PLAYS


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
        delivery: The audio, the storage behind it and the player.
        weights: Prices of a wait and of a wasted byte.
        model: The model to ask; empty for the default one.
        deadline_s: How long to wait for the server before the local rule answers, in seconds.
        seen: What `link.observations()` returned in an earlier process on this network; nothing when not
            given.
        link: What plans know of the link. The embedder tells it of every read, by
            `link.received(size_bytes, duration_s)` or `link.paced(duration_s)`, and of every play, by
            `link.play_began()`; untold, plans assume a link that is fast enough and may fall silent. One
            network, one observer: who changes the network assigns the other one's.
    """

    client: PredictionClient
    favourite_genres: Sequence[str] = ()
    delivery: Delivery = field(default_factory=Delivery)
    weights: ScoreWeights = field(default_factory=ScoreWeights)
    model: str = ""
    deadline_s: float = 0.25
    seen: InitVar[LinkObservations | None] = None
    link: LinkObserver = field(init=False)

    def __post_init__(self, seen: LinkObservations | None) -> None:
        """Refuses what `on_play` could only answer without the server.

        Raises:
            TypeError: The favourite genres are one string.
        """
        string_list("favourite_genres", self.favourite_genres)
        self.link = LinkObserver(self.delivery.audio_bytes_per_s, seen)

    async def on_play(
        self,
        track: QueuedTrack,
        queue: Sequence[QueuedTrack],
        *,
        free_bytes: int,
        context: ListenerContext | None = None,
        at_s: float = 0.0,
        ration: Ration | None = None,
    ) -> Advice:
        """Returns what to fetch while a track plays; one `RankTracks` call, and never an error.

        Numbers that cannot be are no error either: a queued track without a length is left out of the plan,
        and a playing one gets no distances to stream ahead; see `cache_client.prefetch.play.sensible`.

        Args:
            track: The track that plays.
            queue: The tracks to come, next first; the first 200 count.
            free_bytes: How many bytes the cache can still take.
            context: What is known of the listener; its recent plays also feed the local rule.
            at_s: Where the listener is in the track, in seconds; 0 when it starts.
            ration: Whole tracks at a price of bytes; None for the chunks that spare waits.
        """
        context = context or ListenerContext()
        # As many as a server sees: library and server then plan alike.
        context = replace(context, recent_plays=context.recent_plays[-MAX_RECENT_PLAYS:])
        record = listener_record(context)
        seen = self.link.observations()
        play = sensible(Play(track, queue, free_bytes, self.delivery, at_s, seen, ration))
        if not play.track_ids:  # to rank none would be to rank the whole catalogue
            return Advice(plan_of(play, {}, record, self.weights), fallback_reason="no track to ask about")
        try:
            async with asyncio.timeout(self.deadline_s):
                found = await predict_queue(
                    self.client,
                    play.track_ids,
                    self.favourite_genres,
                    context,
                    model=self.model,
                    fitted=ration is None,
                )
        except Exception as error:
            # Music must not stop for want of advice: neither for a server's fault nor for a client's that is
            # closed, or that cannot put the request into a message.
            if isinstance(error, TimeoutError):
                error = no_answer(self.client.target, self.deadline_s, connected=self.client.is_connected)
            reason = " ".join(str(error).split()) or type(error).__name__
            return Advice(plan_of(play, {}, record, self.weights), fallback_reason=reason)
        return Advice(plan_of(play, found.tracks, record, self.weights), found.model, found.version)
