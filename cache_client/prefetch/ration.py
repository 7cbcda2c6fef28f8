"""Whole tracks at a price of bytes: which of the queue are worth it, by what the bytes are to buy."""

from collections.abc import Sequence

from cache_client.prefetch.heard import mean_heard
from cache_client.prefetch.plan import Fetch, Objective, Ration, UpcomingTrack


def rationed(outlooks: Sequence[tuple[UpcomingTrack, float]], ration: Ration, free_bytes: int) -> list[Fetch]:
    """Returns what is missing of the tracks that are worth the price, most worth first, while they fit whole.

    Args:
        outlooks: The queue's tracks, each with P(reached).
        ration: What the bytes are to buy, and their price.
        free_bytes: How many bytes may be fetched.
    """
    worths = [(reached * worth(track, ration.objective), track) for track, reached in outlooks]
    fetches = []
    for it, track in sorted(worths, key=lambda pair: -pair[0]):  # stable: the queue's order breaks ties
        missing_bytes = track.size_bytes - track.cached_bytes
        if it >= ration.price and 0 < missing_bytes <= free_bytes:
            free_bytes -= missing_bytes
            fetches.append(Fetch(track.track_id, track.cached_bytes, track.size_bytes - 1))
    return fetches


def worth(track: UpcomingTrack, objective: Objective) -> float:
    """Returns what a track's missing bytes are worth if it starts: see `Objective` for the units."""
    if objective is Objective.BYTES:
        return mean_heard(track, track.duration_s * track.cached_bytes / track.size_bytes)
    missing_bytes = max(1, track.size_bytes - track.cached_bytes)
    return track.play_through_probability / (missing_bytes / 1e6)
