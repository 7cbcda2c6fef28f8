"""How far to stream the playing track ahead: far enough for a dropout, not so far that a skip wastes it."""

import math

from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.heard import heard_probability
from cache_client.prefetch.plan import AheadStep, UpcomingTrack
from cache_client.prefetch.score import ScoreWeights

_STEPS = 5


def stream_ahead(
    playing: UpcomingTrack, delivery: Delivery, weights: ScoreWeights
) -> tuple[AheadStep, ...] | None:
    """Returns the distance, along the track, at which a second more wastes as much as it spares in stalls.

    With dropouts of exponential length (mean m) at a rate r a second, a distance A leaves r · (m + restart) ·
    exp(-A / m) seconds of silence a second heard, and a skip, at a rate h a second, leaves A seconds unheard.
    The derivatives meet at A = m · ln(r · (1 + restart / m) · price of a second / (h · price of a second of
    audio)); h is the listening curve's fall there, among those still listening.

    Args:
        playing: The track that starts.
        delivery: The link, the player and the dropouts.
        weights: Prices of a wait and of a wasted byte.

    Returns:
        The distances by place in the track; None (the player's own habit) where the link is hardly faster
        than the audio, since it then needs all the lead that it can get.
    """
    bytes_per_s, audio_bytes_per_s = delivery.bandwidth_bytes_per_s, delivery.audio_bytes_per_s
    if bytes_per_s <= 1.25 * audio_bytes_per_s:
        return None
    if delivery.dropouts_per_hour <= 0 or delivery.dropout_s <= 0:
        return (AheadStep(0.0, delivery.chunk_s),)
    restart_s = delivery.chunk_bytes / bytes_per_s
    spared = delivery.dropouts_per_hour / 3600 * weights.wait_cost(1.0 + restart_s / delivery.dropout_s)
    price = weights.waste_cost(audio_bytes_per_s)
    step_s = playing.duration_s / _STEPS
    steps = []
    for step in range(_STEPS):
        skip_rate_per_s = _skip_rate_per_s(playing, step * step_s, (step + 1) * step_s)
        ratio = spared / (skip_rate_per_s * price) if skip_rate_per_s * price > 0 else math.inf
        ahead_s = delivery.dropout_s * math.log(max(1.0, min(ratio, 1e6)))
        steps.append(AheadStep(step * step_s, max(delivery.chunk_s, ahead_s)))
    return tuple(steps)


def _skip_rate_per_s(track: UpcomingTrack, from_s: float, to_s: float) -> float:
    """Returns the rate of skips between two moments among the listeners who are still there."""
    there, left = heard_probability(track, from_s), heard_probability(track, to_s)
    return 2 * (there - left) / ((there + left) * (to_s - from_s)) if there + left > 0 else 0.0
