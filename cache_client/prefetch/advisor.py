"""The advisor: which bytes of the upcoming tracks are worth fetching now, and in which order.

"Will be skipped, so do not cache" is wrong: nearly every skipped track is heard past its first seconds. What
counts for a chunk of a track is whether the track is reached, whether that chunk is then heard, what wait it
spares, and whether there will be time to fetch it later:

    gain = P(reached) · P(too late unless fetched now) · price of the wait that it spares
    cost = (1 - P(reached) · P(heard | started)) · price of its bytes

- **P(reached)** falls by the session's chance to end with every play.
- **P(heard | started)** is the track's listening curve; without one, skips spread evenly over it.
- **The wait**: a track's first chunks spare the whole way to its first byte (round trip and storage) and
  their own transfer; later chunks spare a wait only where the link is slower than the audio.
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

from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.heard import heard_probability
from cache_client.prefetch.plan import AheadStep, Fetch, Plan, PrefetchRequest, UpcomingTrack
from cache_client.prefetch.score import ScoreWeights
from cache_client.prefetch.stream_ahead import stream_ahead

SESSION_END_PROBABILITY = 0.055
"""Share of plays that are the last of their session (v2: 659 sessions of 11,986 plays)."""


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
        request: The playing track, the queue with its predictions, the free bytes, link and storage.
        weights: Prices of a wait and of a wasted byte.
        session_end_probability: P(a play is the last of its session).

    Returns:
        Ranges to fetch, most worth per byte first; adjoining ranges of one track are one.
    """
    ahead = stream_ahead(request.playing, request.delivery, weights)
    if not request.queue or request.free_bytes <= 0:
        return Plan((), ahead)
    outlooks = list(_outlooks(request, session_end_probability, ahead))
    fetches = _greedy(outlooks, request, weights)
    return Plan(tuple(fetches), ahead)


def _greedy(outlooks: list[_Outlook], request: PrefetchRequest, weights: ScoreWeights) -> list[Fetch]:
    """Returns the pieces most worth per byte that fit, each track's in order."""
    pieces = [_pieces(outlook, request.delivery, weights) for outlook in outlooks]
    # The heads of all tracks' pieces, the most worth per byte on top; the queue's order breaks ties.
    heap = [
        (-head.worth_per_byte, depth, head) for depth, it in enumerate(pieces) if (head := next(it, None))
    ]
    heapq.heapify(heap)
    plan: list[Fetch] = []
    free_bytes = request.free_bytes
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


def _outlooks(
    request: PrefetchRequest, session_end_probability: float, ahead: tuple[AheadStep, ...] | None
) -> Iterator[_Outlook]:
    """Yields the queue's tracks with what their place means."""
    delivery = request.delivery
    own_ahead_s = ahead[0].ahead_s if ahead else delivery.buffer_ahead_s
    reached = too_late = 1.0
    before = request.playing
    for depth, track in enumerate(request.queue):
        reached *= 1.0 - session_end_probability
        if depth > 0:
            fetched_s = _fetched_after_s(before, track, delivery, own_ahead_s)
            too_late *= 1.0 - heard_probability(before, min(fetched_s, before.duration_s))
        yield _Outlook(track, reached, too_late)
        before = track


def _fetched_after_s(
    playing: UpcomingTrack, track: UpcomingTrack, delivery: Delivery, ahead_s: float
) -> float:
    """Returns how long into a play a plan made at its start has the first chunks of another track, in s."""
    spare_bytes_per_s = delivery.bandwidth_bytes_per_s - delivery.audio_bytes_per_s
    if spare_bytes_per_s <= 0:
        return playing.duration_s
    # The player's own streaming goes first, until it is as far ahead as it wants to be.
    filled_s = ahead_s * delivery.audio_bytes_per_s / spare_bytes_per_s
    own_s = min(filled_s, playing.size_bytes / delivery.bandwidth_bytes_per_s)
    start_s = _start_bytes(track, delivery) / spare_bytes_per_s
    return max(own_s, delivery.first_byte_s(track.storage_class)) + start_s


def _start_bytes(track: UpcomingTrack, delivery: Delivery) -> int:
    """Returns how many first bytes let a track start at once and play until the rest flows."""
    chunks = max(1, math.ceil(delivery.first_byte_s(track.storage_class) / delivery.chunk_s))
    return min(chunks * delivery.chunk_bytes, track.size_bytes)


def _pieces(outlook: _Outlook, delivery: Delivery, weights: ScoreWeights) -> Iterator[_Piece]:
    """Yields a track's missing pieces, first byte first, while they are worth more than they cost."""
    track = outlook.track
    start_bytes = _start_bytes(track, delivery)
    # Of a byte past the start only the part of its transfer counts that is longer than its audio.
    late_s_per_byte = max(0.0, 1 / delivery.bandwidth_bytes_per_s - 1 / delivery.audio_bytes_per_s)
    first_byte = track.cached_bytes
    while first_byte < track.size_bytes:
        is_start = first_byte < start_bytes
        end_byte = start_bytes if is_start else min(first_byte + delivery.chunk_bytes, track.size_bytes)
        size_bytes = end_byte - first_byte
        spared_s = _start_spared_s(track, delivery) if is_start else size_bytes * late_s_per_byte
        heard = heard_probability(track, (first_byte + end_byte) / 2 / delivery.audio_bytes_per_s)
        # A play that starts waits for its first chunks whether or not they are heard out.
        felt = outlook.reached * outlook.too_late * (1.0 if is_start else heard)
        gain = felt * weights.wait_cost(spared_s)
        cost = (1.0 - outlook.reached * heard) * weights.waste_cost(size_bytes)
        if gain <= cost:
            return
        yield _Piece(first_byte, size_bytes, (gain - cost) / size_bytes)
        first_byte = end_byte


def _start_spared_s(track: UpcomingTrack, delivery: Delivery) -> float:
    """Returns the wait that the rest of a track's first chunks spares, in seconds."""
    cached_s = track.cached_bytes / delivery.audio_bytes_per_s
    to_first_byte_s = max(0.0, delivery.first_byte_s(track.storage_class) - cached_s)
    missing_bytes = max(0, min(delivery.chunk_bytes, track.size_bytes) - track.cached_bytes)
    return to_first_byte_s + missing_bytes / delivery.bandwidth_bytes_per_s
