"""How far to stream the playing track ahead: far enough for a silence, not so far that a skip wastes it."""

from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.heard import heard_probability
from cache_client.prefetch.link_estimate import LinkEstimate
from cache_client.prefetch.plan import AheadStep, UpcomingTrack
from cache_client.prefetch.score import ScoreWeights

_STEPS = 5

_FINER = 1.15
"""Ratio of neighbouring leads that are compared: the cost is flat about its least."""


def stream_ahead(
    playing: UpcomingTrack,
    delivery: Delivery,
    link: LinkEstimate,
    weights: ScoreWeights,
    *,
    at_s: float = 0.0,
    start_first_s: float = 0.0,
) -> tuple[AheadStep, ...]:
    """Returns the leads, along the track, that cost least in stalls and wasted bytes.

    A second heard with a lead A costs the silence to expect past A, with a restart for each that outlasts it,
    and h · A seconds of audio unheard, where skips come at a rate h a second: the listening curve's fall
    there, among those still listening.

    Args:
        playing: The track that plays.
        delivery: The audio and the player.
        link: What to expect of the link.
        weights: Prices of a wait and of a wasted byte.
        at_s: Where the listener is in the track, in seconds.
        start_first_s: For how long to stream no more than a chunk ahead, in seconds, so that the next track's
            start comes through: on a link hardly faster than the audio it would wait for minutes.

    Returns:
        The distances by place in the track; at least one step.
    """
    bytes_per_s = link.bytes_per_s or delivery.audio_bytes_per_s
    restart_s = delivery.chunk_bytes / bytes_per_s
    leads_s = _leads_s(delivery.chunk_s, link)
    silence_costs = [
        weights.wait_cost(link.silent_s(lead_s) + link.interruptions(lead_s) * restart_s)
        for lead_s in leads_s
    ]
    price = weights.waste_cost(delivery.audio_bytes_per_s)
    begin_s = min(max(0.0, at_s), playing.duration_s)
    # On a link slower than the audio a lead only shrinks: what is there has to last to the track's end.
    falling = max(0.0, 1.0 - bytes_per_s / delivery.audio_bytes_per_s)
    step_s = (playing.duration_s - begin_s) / _STEPS
    if begin_s + step_s <= begin_s:  # nothing is left of the track
        return (AheadStep(begin_s, delivery.chunk_s),)
    steps = []
    for step in range(_STEPS):
        from_s = begin_s + step * step_s
        unheard_price = _skip_rate_per_s(playing, from_s, from_s + step_s) * price
        costs = [
            silent + unheard_price * lead_s for silent, lead_s in zip(silence_costs, leads_s, strict=True)
        ]
        lasting_s = falling * (playing.duration_s - from_s)
        steps.append(AheadStep(from_s, max(leads_s[costs.index(min(costs))], lasting_s)))
    until_s = min(begin_s + start_first_s, playing.duration_s)
    return _start_first(steps, until_s, delivery.chunk_s)


def _leads_s(shortest_s: float, link: LinkEstimate) -> list[float]:
    """Returns the leads worth comparing: from a chunk to the longest silence."""
    leads_s = [shortest_s]
    while leads_s[-1] < link.longest_s:
        leads_s.append(leads_s[-1] * _FINER)
    return leads_s


def _start_first(steps: list[AheadStep], until_s: float, chunk_s: float) -> tuple[AheadStep, ...]:
    """Returns the steps with a chunk's lead until a moment."""
    first = steps[0]
    if until_s <= first.from_s or first.ahead_s <= chunk_s:
        return tuple(steps)
    held = [step for step in steps if step.from_s <= until_s][-1]
    later = [step for step in steps if step.from_s > until_s]
    return AheadStep(first.from_s, chunk_s), held._replace(from_s=until_s), *later


def _skip_rate_per_s(track: UpcomingTrack, from_s: float, to_s: float) -> float:
    """Returns the rate of skips between two moments among the listeners who are still there."""
    there, left = heard_probability(track, from_s), heard_probability(track, to_s)
    return (
        2 * (there - left) / ((there + left) * (to_s - from_s)) if there + left > 0 and to_s > from_s else 0.0
    )
