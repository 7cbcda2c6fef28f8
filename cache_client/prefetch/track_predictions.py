"""A server's answers about a queue, as the advisor takes them: checked, and fitted to the listener."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from cache_client.prefetch.listener import fitted_to_listener
from cache_client.prefetch.plan import CurvePoint, ListenerRecord, TrackPrediction

CURVE_AT_S = (10.0, 30.0, 60.0, 90.0, 120.0, 160.0, 200.0, 240.0, 300.0)
"""The moments of a track whose listening curve is asked for, in seconds."""


def track_predictions(
    ranked: Iterable[tuple[str, float, Sequence[float]]], record: ListenerRecord | None
) -> dict[str, TrackPrediction]:
    """Returns a queue's predictions by track, fitted to the listener or as they are.

    What is no probability is left out, as if the server did not know the track.

    Args:
        ranked: Track id, play-through probability and P(heard) at each of `CURVE_AT_S` (or nothing), best
            track first: a sum of probabilities depends on their order, in its last digit.
        record: What the listener's recent plays were; None for the server's own level. A ration
            compares tracks of different listeners: it takes the probabilities as they are.
    """
    tracks = {
        track_id: TrackPrediction(probability, listening_curve(heard))
        for track_id, probability, heard in ranked
        if 0.0 <= probability <= 1.0
    }
    return tracks if record is None else fitted_to_listener(tracks, record)


def listening_curve(heard: Sequence[float]) -> tuple[CurvePoint, ...]:
    """Returns the curve's points; none when the server gave no curve, or what cannot be one."""
    falls = all(before >= after for before, after in pairwise((1.0, *heard, 0.0)))
    return tuple(map(CurvePoint, CURVE_AT_S, heard)) if len(heard) == len(CURVE_AT_S) and falls else ()
