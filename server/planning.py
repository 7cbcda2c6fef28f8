"""Plans for a play: the catalogue's facts, a model's predictions, and the rule of the client library."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, repeat
from typing import NamedTuple

from cache_client.prefetch.listener import listener_record
from cache_client.prefetch.plan import Plan
from cache_client.prefetch.play import Play, QueuedTrack, plan_of, sensible
from cache_client.prefetch.score import ScoreWeights
from cache_client.prefetch.track_predictions import CURVE_AT_S, track_predictions
from models import ListenerContext, Predictor
from server.catalogue_tracks import CatalogueTracks
from server.ranking import rank


class PlannedPlay(NamedTuple):
    """A plan, and what it rests on.

    Attributes:
        plan: What to fetch, and how far to stream.
        unknown_track_ids: The tracks that the catalogue lacks, in the order of the request.
        model: Model that answered.
        version: Version of that model.
    """

    plan: Plan
    unknown_track_ids: list[str]
    model: str
    version: str


class CompletePlay(NamedTuple):
    """A play with what a request leaves to the catalogue, as the rule can plan for it.

    Attributes:
        play: The play.
        unknown_track_ids: The requested tracks that the catalogue lacks, in order.
    """

    play: Play
    unknown_track_ids: list[str]


def with_catalogue(play: Play, catalogue: CatalogueTracks) -> CompletePlay:
    """Returns a play with the catalogue's durations and storage classes where the request gives none."""

    def told(track: QueuedTrack) -> QueuedTrack:
        known = catalogue.get(track.track_id)
        if known is None:
            return track
        return track._replace(
            duration_s=track.duration_s or known.duration_s,
            storage_class=track.storage_class or known.storage_class,
        )

    complete = replace(play, playing=told(play.playing), queue=[told(it) for it in play.queue])
    asked = dict.fromkeys(it.track_id for it in (play.playing, *play.queue))
    return CompletePlay(sensible(complete), [it for it in asked if catalogue.get(it) is None])


def plan_play(
    predictor: Predictor,
    complete: CompletePlay,
    favourite_genres: Sequence[str],
    context: ListenerContext | None,
    weights: ScoreWeights,
) -> PlannedPlay:
    """Returns the plan for a play.

    Args:
        predictor: Model to ask.
        complete: The play.
        favourite_genres: The listener's.
        context: What else is known about the listener; its recent plays set the level of all predictions.
        weights: Prices of a wait and of a wasted byte.
    """
    play, record = complete.play, listener_record(context or ListenerContext())
    ranking = rank(predictor, play.track_ids, favourite_genres, context, listening_curve_at_s=CURVE_AT_S)
    curves = chain(ranking.listening_curves, repeat(()))
    ranked = zip(ranking.track_ids, ranking.probabilities, curves, strict=False)
    predictions = track_predictions(ranked, record if play.ration is None else None)
    plan = plan_of(play, predictions, record, weights)
    return PlannedPlay(plan, complete.unknown_track_ids, ranking.model, ranking.version)
