"""The client's cache: who goes first, who stays, what counts as wasted."""

import pytest

from cache_client.simulator.cache import ClientCache


@pytest.fixture
def cache() -> ClientCache:
    """Holds 100 bytes each of five tracks, of which 40 were heard."""
    cache = ClientCache(600)
    for name in ("old", "older", "playing", "next", "later"):
        entry = cache.entry(name)
        entry.downloaded_bytes, entry.heard_bytes = 100.0, 40.0
    cache.played("old")
    return cache


def held(cache: ClientCache) -> list[str]:
    return [name for name in ("old", "older", "playing", "next", "later") if cache.cached_bytes(name)]


def test_nothing_goes_while_all_fits(cache: ClientCache) -> None:
    cache.make_room(100, "playing", ["next", "later"])
    assert held(cache) == ["old", "older", "playing", "next", "later"]
    assert cache.wasted_bytes == 0.0


@pytest.mark.parametrize(
    ("wanted_bytes", "left"),
    [
        (101, ["old", "playing", "next", "later"]),
        (201, ["playing", "next", "later"]),
        (301, ["playing", "next"]),
        (401, ["playing"]),
        (9_999, ["playing"]),
    ],
)
def test_played_tracks_go_first_then_the_queue_from_its_end(
    cache: ClientCache, wanted_bytes: int, left: list[str]
) -> None:
    cache.make_room(wanted_bytes, "playing", ["next", "later"])
    assert held(cache) == left
    assert cache.wasted_bytes == 60.0 * (5 - len(left))


def test_making_room_leaves_the_order_of_eviction_as_it_is() -> None:
    cache = ClientCache(300)
    for name in ("first", "second", "third"):
        cache.entry(name).downloaded_bytes = 100.0
    cache.make_room(100, "first", ["second"])  # the third leaves; being kept is no play
    cache.entry("fourth").downloaded_bytes = 100.0
    cache.make_room(100, "fourth", [])
    assert (cache.cached_bytes("first"), cache.cached_bytes("second")) == (0.0, 100.0)


def test_free_bytes_leave_out_what_is_reserved_and_what_is_kept(cache: ClientCache) -> None:
    assert cache.free_bytes(["next", "later"], 150) == 600 - 150 - 200
    assert cache.free_bytes(["next", "later"], 9_999) == 0


def test_the_end_wastes_what_was_never_heard(cache: ClientCache) -> None:
    cache.clear()
    assert cache.wasted_bytes == 5 * 60.0
    assert held(cache) == []
