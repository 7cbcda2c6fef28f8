"""When the transfer of a planned range has to begin at the latest."""

from collections.abc import Iterable, Iterator

from cache_client.prefetch.plan import Fetch, PrefetchRequest


def with_latest_starts(
    fetches: Iterable[Fetch], request: PrefetchRequest, bytes_per_s: float
) -> Iterator[Fetch]:
    """Yields fetches with their latest start, for a listener who skips nothing, in seconds from now."""
    audio_bytes_per_s = request.delivery.audio_bytes_per_s
    begins_s, from_now_s = {}, max(0.0, request.playing.duration_s - request.playing_at_s)
    for track in request.queue:
        begins_s[track.track_id] = from_now_s - request.delivery.first_byte_s(track.storage_class)
        from_now_s += track.duration_s
    for fetch in fetches:
        needed_s = begins_s[fetch.track_id] + fetch.first_byte / audio_bytes_per_s
        # What is fetched faster than it is heard is needed byte by byte; a start is needed whole.
        at_once_bytes = request.delivery.chunk_bytes if bytes_per_s > audio_bytes_per_s else fetch.size_bytes
        transfer_s = min(fetch.size_bytes, at_once_bytes) / bytes_per_s
        yield fetch._replace(latest_start_s=max(0.0, needed_s - transfer_s))
