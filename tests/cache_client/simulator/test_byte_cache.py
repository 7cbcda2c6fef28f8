"""The shared cache's eviction: golden counts, and a cross-check with libCacheSim."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_client.simulator.byte_cache import ByteCache, Request, hits
from cache_client.simulator.cache import CachedTrack, Eviction
from data import plays, read_dataset
from tests.paths import V2

REQUESTS = [Request(name, 40) for name in "aabcabdab"]


def test_golden_lru_and_lfu_hits_on_a_trace() -> None:
    # 100 bytes hold two of 40. LRU: a a' b c(-a) a(-b) b(-c) d(-a) a(-b) b(-d).
    assert hits(REQUESTS, 100, Eviction.LRU) == [False, True, *[False] * 7]
    # LFU keeps a, used twice at once: a a' b c(-b) a' b(-c) d(-b) a' b(-d).
    assert hits(REQUESTS, 100, Eviction.LFU) == [
        False, True, False, False, True, False, False, True, False,
    ]  # fmt: skip


def test_what_is_larger_than_the_cache_is_not_kept_and_displaces_nothing() -> None:
    trace = [Request("a", 40), Request("huge", 101), Request("huge", 101), Request("a", 40)]
    assert hits(trace, 100, Eviction.LRU) == [False, False, False, True]


def test_every_entry_that_leaves_is_told() -> None:
    told: list[str] = []
    cache = ByteCache(100, Eviction.LRU, lambda track_id, track: told.append(track_id))
    for name in "abc":
        cache.put(name, CachedTrack(40.0))
    assert told == ["a"]
    grown = cache.peek("c")
    assert grown is not None
    grown.downloaded_bytes = 90.0
    assert cache.put("c", grown)
    cache.clear()
    assert told == ["a", "b", "c"]


def test_growing_is_no_use_and_displaces_only_what_it_must() -> None:
    told: list[str] = []
    cache = ByteCache(100, Eviction.LFU, lambda track_id, track: told.append(track_id))
    cache.put("used", CachedTrack(30.0))
    assert cache.get("used") is not None
    for size_bytes in (10.0, 20.0, 30.0):
        grown = cache.peek("grown") or CachedTrack()
        grown.downloaded_bytes = size_bytes
        assert cache.put("grown", grown)
    cache.put("new", CachedTrack(50.0))
    # Put in three times, but never used: it leaves before what was used once.
    assert told == ["grown"]


def test_what_grows_alone_in_its_cache_is_not_told_to_leave_it() -> None:
    told: list[str] = []
    cache = ByteCache(100, Eviction.LRU, lambda track_id, track: told.append(track_id))
    track = CachedTrack(60.0)
    cache.put("a", track)
    track.downloaded_bytes = 90.0
    assert cache.put("a", track)
    assert told == []


def by_the_book(requests: Sequence[Request], capacity_bytes: int) -> list[bool]:
    """Returns the hits of a cache that drops the least often used first, of equals the longest so."""
    uses: dict[str, tuple[int, int]] = {}
    sizes = {request.track_id: request.size_bytes for request in requests}
    found = []
    for now, (track_id, size_bytes) in enumerate(requests):
        found.append(track_id in uses)
        if track_id not in uses and size_bytes <= capacity_bytes:
            while sum(sizes[it] for it in uses) + size_bytes > capacity_bytes:
                del uses[min(uses, key=lambda it: uses[it])]
            uses[track_id] = (0, now)
        if track_id in uses:
            uses[track_id] = (uses[track_id][0] + 1, now)
    return found


@given(st.lists(st.integers(0, 7), max_size=60), st.integers(0, 120))
def test_lfu_is_what_the_book_says_on_any_trace(numbers: list[int], capacity_bytes: int) -> None:
    trace = [Request(str(number), 10 + 7 * number) for number in numbers]
    assert hits(trace, capacity_bytes, Eviction.LFU) == by_the_book(trace, capacity_bytes)


@pytest.mark.parametrize("capacity_share", [0.01, 0.1, 0.5])
def test_our_lru_agrees_with_libcachesim_request_by_request(capacity_share: float) -> None:
    """On v2's plays in time order, each asking for a whole track at 160 kbit/s."""
    libcachesim = pytest.importorskip("libcachesim", reason="libcachesim (GPL-3) is not installed")
    if not V2.is_dir():
        pytest.skip("the real data is not at ../shared/data/v2")
    recorded = plays(read_dataset(V2))
    sizes = (recorded["duration_s"] * 20_000).round().astype(int)
    trace = [Request(*pair) for pair in zip(recorded["track_id"], sizes, strict=True)]
    capacity_bytes = int(capacity_share * sum(dict(trace).values()))
    numbers = {track_id: number for number, track_id in enumerate(dict(trace))}
    theirs = libcachesim.LRU(cache_size=capacity_bytes)
    expected = []
    for track_id, size_bytes in trace:
        request = libcachesim.Request()
        request.obj_id, request.obj_size = numbers[track_id], size_bytes
        expected.append(theirs.get(request))
    found = hits(trace, capacity_bytes, Eviction.LRU)
    assert found == expected
    assert 0 < sum(found) < len(found)
    missed_bytes = [
        sum(request.size_bytes for request, hit in zip(trace, ours, strict=True) if not hit)
        for ours in (found, expected)
    ]
    assert missed_bytes[0] == missed_bytes[1]
