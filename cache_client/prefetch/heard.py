"""The listening curve: P(a moment of a track is heard), by the server or an even spread of skips."""

from itertools import pairwise

from cache_client.prefetch.plan import CurvePoint, UpcomingTrack


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


def mean_heard(track: UpcomingTrack, from_s: float = 0.0) -> float:
    """Returns the share of a track from some moment on that is heard, in expectation, if the track starts."""
    if from_s >= track.duration_s:
        return heard_probability(track, track.duration_s)
    start = CurvePoint(from_s, heard_probability(track, from_s))
    inside = [point for point in track.listening_curve if from_s < point.at_s < track.duration_s]
    end = CurvePoint(track.duration_s, track.play_through_probability)
    areas = (
        (right.at_s - left.at_s) * (left.heard_probability + right.heard_probability) / 2
        for left, right in pairwise([start, *inside, end])
    )
    return sum(areas) / (track.duration_s - from_s)


def _between(left: CurvePoint, right: CurvePoint, at_s: float) -> float:
    """Returns the straight line's value; past its right end, the value there."""
    if at_s >= right.at_s:
        return right.heard_probability
    part = (at_s - left.at_s) / (right.at_s - left.at_s)
    return left.heard_probability + part * (right.heard_probability - left.heard_probability)
