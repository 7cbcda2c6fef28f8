"""How much of a track is heard: by the server's listening curve, or by an even spread of skips."""

import math
from collections.abc import Mapping

from cache_client.prefetch.plan import CurvePoint, ListenerRecord, TrackPrediction, UpcomingTrack
from cache_client.rpc.messages import ListenerContext

PLAY_THROUGH_RATE = 0.66
"""Probability assumed where nothing is known: the data's rate."""

PRIOR_PLAYS = 5.0
"""How many plays of a listener weigh as much as what a model says of them. On sessions before the reported
ones 5 and 50 score alike."""

_FLOOR = 0.005
"""Nobody is certain to skip, or to stay."""


def heard_probability(track: UpcomingTrack, at_s: float) -> float:
    """Returns P(a moment of a track is heard | the track starts).

    Without a curve skips fall evenly over the track. On the first 80 % of v2's plays the deciles of a skip's
    place are 0.12, 0.25, 0.38, 0.49, 0.59, 0.69, 0.78, 0.86 and 0.94 of the track: "will be skipped" does not
    mean that a track's first seconds go unheard.
    """
    left = CurvePoint(0.0, 1.0)
    for point in track.listening_curve:
        if point.at_s >= track.duration_s:
            break
        if point.at_s >= at_s:
            return _between(left, point, at_s)
        left = point
    return _between(left, CurvePoint(track.duration_s, track.play_through_probability), at_s)


def _between(left: CurvePoint, right: CurvePoint, at_s: float) -> float:
    """Returns the straight line's value; past its right end, the value there."""
    if at_s >= right.at_s:
        return right.heard_probability
    part = (at_s - left.at_s) / (right.at_s - left.at_s)
    return left.heard_probability + part * (right.heard_probability - left.heard_probability)


def listener_record(context: ListenerContext) -> ListenerRecord:
    """Returns how often the listener heard out what a context tells of."""
    recent = context.recent_plays
    return ListenerRecord(len(recent), sum(not play.skipped for play in recent))


def listener_rate(record: ListenerRecord, prior: float = PLAY_THROUGH_RATE) -> float:
    """Returns a listener's own play-through rate, drawn towards a prior while few plays are known."""
    return (record.played_through + PRIOR_PLAYS * prior) / (record.plays + PRIOR_PLAYS)


def fitted_to_listener(
    predictions: Mapping[str, TrackPrediction], record: ListenerRecord
) -> dict[str, TrackPrediction]:
    """Returns a queue's predictions shifted, in log-odds, to the listener's own level.

    What the model says of one track against another is kept; the level comes from what the listener has done.
    On sessions before the reported ones that is worth a little for every model, the one that reads the
    listener's recent plays included.
    """
    if not predictions or not record.plays:
        return dict(predictions)
    said = sum(it.play_through_probability for it in predictions.values()) / len(predictions)
    shift = _log_odds(listener_rate(record, said)) - _log_odds(said)
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
