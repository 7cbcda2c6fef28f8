"""The advisor without a server: every track is played through as often as this listener plays through."""

from dataclasses import dataclass, replace
from typing import ClassVar

from cache_client.prefetch.advisor import advise
from cache_client.prefetch.listener import listener_rate
from cache_client.prefetch.plan import Plan, PrefetchRequest, UpcomingTrack
from cache_client.prefetch.score import ScoreWeights


@dataclass(frozen=True)
class ListenerRate:
    """Follows the advisor's rule with one probability for all tracks: the listener's own past rate.

    It is also the fallback of `PrefetchClient`, and the bar that a model has to clear to be worth a call.
    """

    weights: ScoreWeights
    needs_predictions: ClassVar[bool] = False

    def plan(self, request: PrefetchRequest) -> Plan:
        """Returns the advisor's plan for that probability."""
        rate = listener_rate(request.listener)

        def rated(track: UpcomingTrack) -> UpcomingTrack:
            return track._replace(play_through_probability=rate, listening_curve=())

        queue = tuple(rated(track) for track in request.queue)
        return advise(replace(request, playing=rated(request.playing), queue=queue), self.weights)
