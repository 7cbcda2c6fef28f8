"""The listeners' cache: right values, bounded in bytes."""

import sys
from collections import Counter

from models.first_layer import _LISTENERS_BYTES
from models.listener_cache import Favourites, ListenerCache


class Computed:
    """Counts what is computed."""

    def __init__(self) -> None:
        """Starts at nothing."""
        self.times: Counter[Favourites] = Counter()

    def __call__(self, favourite_genres: Favourites) -> str:
        self.times[favourite_genres] += 1
        return "-".join(favourite_genres)


def size(key: Favourites) -> int:
    return sys.getsizeof(key) + sum(map(sys.getsizeof, key))


def test_a_listener_who_comes_again_is_not_computed_again() -> None:
    computed = Computed()
    cache = ListenerCache(computed, len, 1 << 20)
    assert [cache.get(("rock", "pop")) for _ in range(3)] == ["rock-pop"] * 3
    assert computed.times == {("rock", "pop"): 1}


def test_however_long_the_genres_are_the_budget_holds() -> None:
    cache = ListenerCache(Computed(), len, 200_000)
    for number in range(1_000):
        cache.get(tuple(f"{number} {genre}".ljust(200, "x") for genre in range(100)))
        kept = [*cache._young.items(), *cache._old.items()]
        assert sum(size(key) + sys.getsizeof(value) for key, value in kept) <= 200_000
        assert kept


def test_what_is_larger_than_the_budget_is_answered_and_not_kept() -> None:
    cache = ListenerCache(Computed(), len, 1_000)
    assert cache.get(("x" * 10_000,)) == "x" * 10_000
    assert cache.n_values == 0


def test_who_comes_again_and_again_is_kept_while_others_pass_once() -> None:
    computed = Computed()
    cache = ListenerCache(computed, len, 50_000)
    for number in range(10_000):
        cache.get((f"passes {number}",))
        if number % 10 == 0:
            cache.get(("regular",))
    assert computed.times["regular",] == 1
    assert cache.n_values < 100


def test_thousands_of_usual_listeners_fit_into_a_models_budget() -> None:
    computed = Computed()
    cache = ListenerCache(computed, lambda value: 4 * 129, _LISTENERS_BYTES)
    listeners = [("rock", f"genre number {number}", "polish rock") for number in range(4_000)]
    for _ in range(3):
        for listener in listeners:
            cache.get(listener)
    assert set(computed.times.values()) == {1}
