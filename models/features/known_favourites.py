"""Whose favourite genres a model was trained on: it knows those listeners, and no others.

Three favourites all but name a listener of a small crowd. What a network learns of them is how those very
listeners are; a stranger with other favourites is as likely to be the opposite.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

# A stranger's set is taken for one of a million known by chance once in ten million million.
_KEY_BYTES = 8


@dataclass(frozen=True, eq=False)
class KnownFavourites:
    """The sets of favourite genres of a training part, as keys from which no set can be read.

    Attributes:
        keys: Key of every set, rising, (n_sets,).
    """

    keys: NDArray[np.uint64]

    def has(self, names: Iterable[str]) -> bool:
        """Returns whether this very set was trained on; never of no names, which anyone may have.

        Args:
            names: Normalised genre names, in any order.
        """
        distinct = frozenset(names)
        return bool(distinct) and _key(distinct) in self._lookup

    @cached_property
    def _lookup(self) -> frozenset[int]:
        return frozenset(self.keys.tolist())


def fit_known_favourites(sets: Iterable[Iterable[str]]) -> KnownFavourites:
    """Returns the favourites of a training part's listeners, given their normalised names."""
    keys = {_key(names) for names in map(frozenset, sets) if names}
    return KnownFavourites(np.array(sorted(keys), dtype=np.uint64))


def _key(names: frozenset[str]) -> int:
    digest = blake2b("\n".join(sorted(names)).encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES)
    return int.from_bytes(digest.digest(), "big")
