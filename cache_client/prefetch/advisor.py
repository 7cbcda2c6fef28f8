"""The advisor: which bytes of the upcoming tracks are worth fetching now, and in which order.

"Will be skipped, so do not cache" is wrong: nearly every skipped track is heard past its first seconds. What
counts for a chunk of a track is whether the track is reached, whether that chunk is then heard, what wait it
spares, and whether there will be time to fetch it later:

    gain = P(reached) · P(too late unless fetched now) · P(heard | started) · price of the wait that it spares
    cost = (1 - P(reached) · P(heard | started)) · price of its bytes

- **P(reached)** falls by the session's chance to end with every play.
- **P(heard | started)** is the track's listening curve; without one, skips spread evenly over it.
- **The wait**: a track's first chunks spare the whole way to its first byte (round trip and storage) and
  their own transfer. Later chunks spare a wait where the link is slower than the audio, and where it falls
  silent about the track's start: the track before is all there by then, so nothing else of the lead that was
  built up bridges the silence, and the new track's lead has yet to grow.
- **Too late**: the next track has no later chance, since plans are made when plays start. A deeper track can
  be fetched one play later, unless the tracks before it are all left before that could be done. It is what
  keeps bytes from being spent on a queue's far end.

Chunks worth more than they cost are taken greedily by worth per byte, each track's in order, while they fit
in the free bytes: the knapsack of Tuah et al. with the threshold rule of Jiang and Kleinrock. The time before
a track is needed bounds nothing further: the next play's plan replaces this one, and what was not transferred
by then cost nothing, so the order is all that matters.

Source:
    Tuah, Kumar, Venkatesh, "Resource-aware speculative prefetching in wireless networks", 2003;
    Jiang, Kleinrock, "An adaptive network prefetch scheme", IEEE JSAC 1998.
"""

import heapq
import math
from collections.abc import Iterator
from typing import NamedTuple

from cache_client.prefetch.heard import heard_probability, mean_heard
from cache_client.prefetch.latest_start import with_latest_starts
from cache_client.prefetch.link_estimate import link_estimate
from cache_client.prefetch.plan import Fetch, Plan, PrefetchRequest, UpcomingTrack
from cache_client.prefetch.ration import rationed
from cache_client.prefetch.score import ScoreWeights
from cache_client.prefetch.stream_ahead import stream_ahead
from cache_client.prefetch.waits import Waits

SESSION_END_PROBABILITY = 0.055
"""Share of plays that are the last of their session (v2's first 80 %: 532 sessions of 9,610 plays)."""


_PAUSES = 0.5
"""P(a later plan finds the link free) where plays leave nothing of it: advertisements and pauses do."""


class _Outlook(NamedTuple):
    """An upcoming track, P(reached) and P(needed before a later plan could have fetched its first chunks)."""

    track: UpcomingTrack
    reached: float
    too_late: float


class _Piece(NamedTuple):
    """A candidate: some bytes of a track, and (gain - cost) per byte."""

    first_byte: int
    size_bytes: int
    worth_per_byte: float


def advise(
    request: PrefetchRequest,
    weights: ScoreWeights,
    *,
    session_end_probability: float = SESSION_END_PROBABILITY,
) -> Plan:
    """Returns what to fetch, in which order, and how far to stream the playing track ahead.

    Args:
        request: The playing track, the queue with its predictions, the free bytes, what was seen of the link.
        weights: Prices of a wait and of a wasted byte.
        session_end_probability: P(a play is the last of its session).

    Returns:
        Ranges to fetch, most worth per byte first; adjoining ranges of one track are one.
    """
    waits = Waits(request.delivery, link_estimate(request.link))
    start_s = waits.start_fetched_s(request.queue[0]) if request.queue else 0.0
    ahead = stream_ahead(
        request.playing,
        request.delivery,
        waits.link,
        weights,
        at_s=request.playing_at_s,
        start_first_s=start_s if math.isfinite(start_s) else 0.0,
    )
    if not request.queue or request.free_bytes <= 0:
        return Plan((), ahead)
    outlooks = list(_outlooks(request, session_end_probability, waits))
    if request.ration is not None:
        fetches = rationed([(it.track, it.reached) for it in outlooks], request.ration, request.free_bytes)
    else:
        fetches = _greedy(outlooks, request.free_bytes, waits, weights)
    return Plan(tuple(with_latest_starts(fetches, request, waits.safe_bytes_per_s)), ahead)


def _greedy(outlooks: list[_Outlook], free_bytes: int, waits: Waits, weights: ScoreWeights) -> list[Fetch]:
    """Returns the pieces most worth per byte that fit, each track's in order."""
    pieces = [_pieces(outlook, waits, weights) for outlook in outlooks]
    # The heads of all tracks' pieces, the most worth per byte on top; the queue's order breaks ties.
    heap = [
        (-head.worth_per_byte, depth, head) for depth, it in enumerate(pieces) if (head := next(it, None))
    ]
    heapq.heapify(heap)
    plan: list[Fetch] = []
    while heap:
        _, depth, piece = heapq.heappop(heap)
        if piece.size_bytes > free_bytes:
            # What follows in this track needs these bytes first: the track is done with.
            continue
        free_bytes -= piece.size_bytes
        _append(plan, outlooks[depth].track.track_id, piece)
        if following := next(pieces[depth], None):
            heapq.heappush(heap, (-following.worth_per_byte, depth, following))
    return plan


def _append(plan: list[Fetch], track_id: str, piece: _Piece) -> None:
    """Adds a piece to the plan, as part of its last range where the piece continues it."""
    last_byte = piece.first_byte + piece.size_bytes - 1
    if plan and plan[-1].track_id == track_id and plan[-1].last_byte + 1 == piece.first_byte:
        plan[-1] = plan[-1]._replace(last_byte=last_byte)
    else:
        plan.append(Fetch(track_id, piece.first_byte, last_byte))


def _outlooks(request: PrefetchRequest, session_end_probability: float, waits: Waits) -> Iterator[_Outlook]:
    """Yields the queue's tracks with what their place means."""
    reached = too_late = 1.0
    before = request.playing
    for depth, track in enumerate(request.queue):
        reached *= 1.0 - session_end_probability
        if depth > 0:
            # How long into the play before a plan made at its start has this track's start.
            fetched_s = waits.start_fetched_s(track)
            in_time = heard_probability(before, fetched_s) if fetched_s < before.duration_s else _PAUSES
            too_late *= 1.0 - in_time
        yield _Outlook(track, reached, too_late)
        before = track


def _pieces(outlook: _Outlook, waits: Waits, weights: ScoreWeights) -> Iterator[_Piece]:
    """Yields a track's missing pieces, first byte first, while they are worth more than they cost."""
    track, delivery = outlook.track, waits.delivery
    start_bytes, mean_heard_s = waits.start_bytes(track), mean_heard(track) * track.duration_s
    first_byte = track.cached_bytes
    while first_byte < track.size_bytes:
        is_start = first_byte < start_bytes
        end_byte = start_bytes if is_start else min(first_byte + delivery.chunk_bytes, track.size_bytes)
        size_bytes = end_byte - first_byte
        at_s = (first_byte + end_byte) / 2 / delivery.audio_bytes_per_s
        heard = heard_probability(track, at_s)
        if is_start:
            spared_s = waits.start_spared_s(track)
        else:
            size_s = size_bytes / delivery.audio_bytes_per_s
            spared_s = size_s * (heard * waits.silent_s(at_s, mean_heard_s) + waits.drained_s(track, at_s))
        gain = outlook.reached * outlook.too_late * weights.wait_cost(spared_s)
        cost = (1.0 - outlook.reached * heard) * weights.waste_cost(size_bytes)
        if gain <= cost:
            return
        yield _Piece(first_byte, size_bytes, (gain - cost) / size_bytes)
        first_byte = end_byte
