"""Names and identifiers, drawn a whole column at a time."""

from collections.abc import Hashable, Sequence

import numpy as np

from data.generator import vocabulary

_BASE62 = np.array(list("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))


def identifiers(rng: np.random.Generator, count: int) -> list[str]:
    """Returns distinct 22-character identifiers, of the form that the real tracks and artists have."""
    letters = _BASE62[rng.integers(0, 62, size=(count, 22))]
    drawn = ["".join(row) for row in letters]
    if len(set(drawn)) != count:  # at odds of 1 in 62**22 a pair
        raise AssertionError("the random source repeats itself")
    return drawn


def artist_names(rng: np.random.Generator, count: int) -> list[str]:
    """Returns distinct artist names: half bands, half people."""
    bands = _join(rng, count, vocabulary.TITLE_ADJECTIVES, vocabulary.TITLE_NOUNS)
    people = _join(rng, count, vocabulary.FIRST_NAMES, vocabulary.LAST_NAMES)
    is_band = rng.random(count) < 0.5
    drawn = [band if pick else person for pick, band, person in zip(is_band, bands, people, strict=True)]
    return _distinct(drawn, [None] * count, " {}")


def track_names(rng: np.random.Generator, artist: Sequence[int]) -> list[str]:
    """Returns track names, distinct within an artist."""
    stems = _join(rng, len(artist), vocabulary.TITLE_ADJECTIVES, vocabulary.TITLE_NOUNS)
    endings = _pick(rng, len(artist), vocabulary.TITLE_ENDINGS)
    drawn = [stem + ending for stem, ending in zip(stems, endings, strict=True)]
    return _distinct(drawn, artist, ", Part {}")


def listener_names(rng: np.random.Generator, count: int) -> list[str]:
    """Returns listeners' names, which may repeat."""
    return _join(rng, count, vocabulary.FIRST_NAMES, vocabulary.LAST_NAMES)


def cities(rng: np.random.Generator, count: int) -> list[str]:
    """Returns listeners' cities."""
    return _pick(rng, count, vocabulary.CITIES)


def streets(rng: np.random.Generator, count: int) -> list[str]:
    """Returns listeners' streets with house numbers."""
    names = _join(rng, count, vocabulary.STREET_KINDS, vocabulary.STREETS)
    return [f"{name} {number}" for name, number in zip(names, rng.integers(1, 200, count), strict=True)]


def _pick(rng: np.random.Generator, count: int, words: Sequence[str]) -> list[str]:
    return [words[i] for i in rng.integers(0, len(words), count).tolist()]


def _join(rng: np.random.Generator, count: int, first: Sequence[str], second: Sequence[str]) -> list[str]:
    return [f"{a} {b}" for a, b in zip(_pick(rng, count, first), _pick(rng, count, second), strict=True)]


def _distinct(names: Sequence[str], within: Sequence[Hashable], numbering: str) -> list[str]:
    """Numbers a name that returns within the same owner: "Blue Rain", "Blue Rain, Part 2"."""
    times: dict[tuple[Hashable, str], int] = {}
    distinct = []
    for owner, name in zip(within, names, strict=True):
        times[owner, name] = time = times.get((owner, name), 0) + 1
        distinct.append(name if time == 1 else name + numbering.format(time))
    return distinct
