"""Tracks for one listener, best first."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models import ListenerContext, Predictor, UnknownTrackError


@dataclass(frozen=True, slots=True)
class Ranking:
    """Tracks by falling play-through probability; ties keep the order of the request.

    Attributes:
        track_ids: The ranked tracks.
        probabilities: Their play-through probabilities, in the same order.
        threshold: Probability below which the model expects a skip.
        unknown_track_ids: The requested tracks that the catalogue lacks, in the order of the request.
        model: Model that answered.
        version: Version of that model.
        listening_curves: Probability of hearing each asked second, one curve a track in the same order;
            empty when none was asked for.
    """

    track_ids: list[str]
    probabilities: list[float]
    threshold: float
    unknown_track_ids: list[str]
    model: str
    version: str
    listening_curves: list[list[float]] = field(default_factory=list)


def rank(
    predictor: Predictor,
    track_ids: Sequence[str],
    favourite_genres: Sequence[str],
    context: ListenerContext | None = None,
    top_k: int = 0,
    listening_curve_at_s: Sequence[float] = (),
) -> Ranking:
    """Ranks tracks for one listener.

    Args:
        predictor: Model to ask.
        track_ids: Tracks to rank; a repeated one is ranked once. None for the whole catalogue.
        favourite_genres: The listener's.
        context: What else is known about the listener.
        top_k: How many to return at most; 0 for all.
        listening_curve_at_s: Seconds from a track's start at which to give its curve; none for no curves.
    """
    unknown: list[str] = []
    if track_ids:
        # A copy of a message's field: to iterate over the field itself takes twice as long.
        known = list(dict.fromkeys(track_ids[:]))
        try:
            probabilities = predictor.predict(known, favourite_genres, context)
        except UnknownTrackError as error:
            unknown = list(error.track_ids)
            known = [track_id for track_id in known if predictor.knows(track_id)]
            probabilities = predictor.predict(known, favourite_genres, context)
    else:
        known = predictor.track_ids
        probabilities = predictor.predict_all(favourite_genres, context)  # (n_tracks,)
    best = best_rows(probabilities, top_k)
    ranked = [known[row] for row in best.tolist()]
    curves: list[list[float]] = []
    if listening_curve_at_s and ranked:
        curves = predictor.curves_of(ranked, probabilities[best], listening_curve_at_s).tolist()
    return Ranking(
        track_ids=ranked,
        probabilities=probabilities[best].tolist(),
        threshold=predictor.threshold,
        unknown_track_ids=unknown,
        model=predictor.name,
        version=predictor.version,
        listening_curves=curves,
    )


def best_rows(probabilities: NDArray[np.float64], top_k: int) -> NDArray[np.int64]:
    """Returns the rows of the highest probabilities, highest first; equal ones in the order of their rows.

    Args:
        probabilities: (n,), without NaN.
        top_k: How many rows to return at most; 0 for all.

    Returns:
        Row numbers, (min(n, top_k),) or (n,). Takes O(n + k log k).
    """
    rows = np.arange(len(probabilities))
    if 0 < top_k < len(probabilities):
        last = np.partition(probabilities, -top_k)[-top_k]  # the lowest that gets in
        above = np.flatnonzero(probabilities > last)
        ties = np.flatnonzero(probabilities == last)[: top_k - len(above)]
        rows = np.sort(np.concatenate((above, ties)))
    ranked: NDArray[np.int64] = rows[np.argsort(-probabilities[rows], kind="stable")]
    return ranked
