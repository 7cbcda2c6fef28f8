"""What was computed for the listeners who were seen last, within a budget of bytes."""

import sys
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")

Favourites = tuple[str, ...]

# Of a tuple's or a table's place, and of an object around an array.
_PLACE_BYTES, _OBJECT_BYTES = 120, 400


class ListenerCache(Generic[Value]):
    """Keeps values by favourite genres; safe to share between threads.

    There are two generations: a value goes into the younger one when it is made and when it is asked for
    again, and once that has half of the budget, it becomes the older one and the older one is forgotten. A
    hit costs one look-up, as with `functools.lru_cache`, which cannot count bytes; `cachetools`, which can,
    needs a lock and takes several times as long. Two threads at once may compute a value twice, or forget a
    generation early.
    """

    def __init__(
        self, compute: Callable[[Favourites], Value], n_value_bytes: Callable[[Value], int], most_bytes: int
    ) -> None:
        """Starts empty.

        Args:
            compute: Makes a value.
            n_value_bytes: Returns the size of a value's arrays, in bytes.
            most_bytes: What all of it may take, in bytes.
        """
        self._compute, self._n_value_bytes = compute, n_value_bytes
        self._half_bytes = most_bytes // 2
        self._young: dict[Favourites, Value] = {}
        self._old: dict[Favourites, Value] = {}
        self._young_bytes = 0

    @property
    def n_values(self) -> int:
        """Returns how many values are kept; those that were asked for again count twice."""
        return len(self._young) + len(self._old)

    def get(self, favourite_genres: Favourites) -> Value:
        """Returns the value of a set of favourite genres, as they are written."""
        value = self._young.get(favourite_genres)
        if value is None:
            value = self._old.get(favourite_genres)
            if value is None:
                value = self._compute(favourite_genres)
            self._keep(favourite_genres, value)
        return value

    def _keep(self, key: Favourites, value: Value) -> None:
        n_bytes = _key_bytes(key) + self._n_value_bytes(value) + _OBJECT_BYTES
        if n_bytes > self._half_bytes:
            return
        if self._young_bytes + n_bytes > self._half_bytes:
            self._old, self._young, self._young_bytes = self._young, {}, 0
        self._young[key] = value
        self._young_bytes += n_bytes


def _key_bytes(key: Favourites) -> int:
    return sum(map(sys.getsizeof, key)) + sys.getsizeof(key) + _PLACE_BYTES
