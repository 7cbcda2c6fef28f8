"""How much of a track is heard: by the server's listening curve, or by an even spread of skips."""

import math

from cache_client.prefetch import CurvePoint, ListenerRecord, UpcomingTrack

PLAY_THROUGH_RATE = 0.66
"""Probability assumed where nothing is known: the data's rate."""

PRIOR_PLAYS = 5.0
"""How many plays of a listener weigh as much as what a model says of them (chosen on v2's first 80 %)."""

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


def expected_heard_s(track: UpcomingTrack) -> float:
    """Returns the expected seconds heard of a track that starts."""
    inner = [point for point in track.listening_curve if 0.0 < point.at_s < track.duration_s]
    end = CurvePoint(track.duration_s, track.play_through_probability)
    points = [CurvePoint(0.0, 1.0), *inner, end]
    return sum(
        (right.at_s - left.at_s) * (left.heard_probability + right.heard_probability) / 2
        for left, right in zip(points, points[1:], strict=False)
    )


def listener_rate(record: ListenerRecord, prior: float = PLAY_THROUGH_RATE) -> float:
    """Returns a listener's own play-through rate, drawn towards a prior while few plays are known."""
    return (record.played_through + PRIOR_PLAYS * prior) / (record.plays + PRIOR_PLAYS)


def fitted_to_listener(tracks: list[UpcomingTrack], record: ListenerRecord) -> list[UpcomingTrack]:
    """Returns the tracks with their probabilities shifted, in log-odds, to the listener's own level.

    A model may not know this listener; the client does. What the model says of one track against another is
    kept; the level comes from what the listener has done. For a model that already follows the listener the
    shift is close to nothing.
    """
    if not tracks or not record.plays:
        return tracks
    said = sum(track.play_through_probability for track in tracks) / len(tracks)
    shift = _log_odds(listener_rate(record, said)) - _log_odds(said)
    return [_shifted(track, shift) for track in tracks]


def _shifted(track: UpcomingTrack, shift: float) -> UpcomingTrack:
    before = min(max(track.play_through_probability, _FLOOR), 1.0 - _FLOOR)
    after = 1.0 / (1.0 + math.exp(-_log_odds(before) - shift))
    # The curve keeps its shape: what it loses up to each moment grows or shrinks as the loss at the end does.
    stretch = (1.0 - after) / (1.0 - before)
    curve = tuple(
        CurvePoint(point.at_s, max(after, 1.0 - stretch * (1.0 - point.heard_probability)))
        for point in track.listening_curve
    )
    return track._replace(play_through_probability=after, listening_curve=curve)


def _log_odds(probability: float) -> float:
    bounded = min(max(probability, _FLOOR), 1.0 - _FLOOR)
    return math.log(bounded / (1.0 - bounded))
