"""A listener's own past: their play-through rate, and predictions fitted to it."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from cache_client.prefetch.plan import CurvePoint, ListenerRecord, TrackPrediction

PLAY_THROUGH_RATE = 0.66
"""Probability assumed where nothing is known: the rate of the first 80 % of v2's plays by time, 6,298 of
9,589 (0.657)."""

PRIOR_PLAYS = 5.0
"""How many plays of a listener weigh as much as a model's predictions. On sessions before the reported
ones 5 and 50 score alike."""

_FLOOR = 0.005
"""Nobody is certain to skip, or to stay."""


class EndedPlay(Protocol):
    """A play that has ended, of the client's context or the server's."""

    @property
    def skipped(self) -> bool:
        """Returns whether the listener skipped the track."""
        ...


class ListenerPast(Protocol):
    """A listener's context, the client's or the server's."""

    @property
    def recent_plays(self) -> Sequence[EndedPlay]:
        """Returns the latest plays, newest last."""
        ...


def listener_record(context: ListenerPast) -> ListenerRecord:
    """Returns how often the listener heard out the recent plays of a context."""
    recent = context.recent_plays
    return ListenerRecord(len(recent), sum(not play.skipped for play in recent))


def listener_rate(record: ListenerRecord, prior: float = PLAY_THROUGH_RATE) -> float:
    """Returns a listener's own play-through rate, drawn towards a prior while few plays are known."""
    return (record.played_through + PRIOR_PLAYS * prior) / (record.plays + PRIOR_PLAYS)


def fitted_to_listener(
    predictions: Mapping[str, TrackPrediction], record: ListenerRecord
) -> dict[str, TrackPrediction]:
    """Returns a queue's predictions shifted, in log-odds, to the listener's own level.

    How the model sets one track against another is kept; the level comes from what the listener has done.
    On sessions before the reported ones that is worth a little for every model, the one that reads the
    listener's recent plays included.
    """
    if not predictions or not record.plays:
        return dict(predictions)
    mean = sum(it.play_through_probability for it in predictions.values()) / len(predictions)
    shift = _log_odds(listener_rate(record, mean)) - _log_odds(mean)
    return {track_id: _shifted(prediction, shift) for track_id, prediction in predictions.items()}


def _shifted(prediction: TrackPrediction, shift: float) -> TrackPrediction:
    before = min(max(prediction.play_through_probability, _FLOOR), 1.0 - _FLOOR)
    after = 1.0 / (1.0 + math.exp(-_log_odds(before) - shift))
    # The curve keeps its shape: what it loses up to each moment grows or shrinks as the loss at the end does.
    stretch = (1.0 - after) / (1.0 - before)
    curve = tuple(
        CurvePoint(point.at_s, 1.0 - min(1.0, stretch * (1.0 - point.heard_probability)))
        for point in prediction.listening_curve
    )
    return TrackPrediction(after, curve)


def _log_odds(probability: float) -> float:
    bounded = min(max(probability, _FLOOR), 1.0 - _FLOOR)
    return math.log(bounded / (1.0 - bounded))
