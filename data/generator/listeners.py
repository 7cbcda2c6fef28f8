"""Synthetic listeners: what they like, how patient they are, how much they listen."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from data.generator import naming
from data.generator.vocabulary import FEATURES, STYLES, Genres

FIRST_LISTENER_ID = 101
N_FAVOURITES = 3


@dataclass(frozen=True)
class Listeners:
    """Listeners by row.

    Attributes:
        names: Names.
        cities: Cities.
        streets: Streets with house numbers.
        favourites: Favourite genres, shape (n_listeners, 3).
        premium: Whether the listener buys premium during the recording, shape (n_listeners,).
        impatience: Log-odds of skipping an average track, shape (n_listeners,).
        enthusiasm: Log-odds of liking an average track, shape (n_listeners,).
        sound_taste: Direction in audio features that the listener likes, of unit length, shape
            (n_listeners, n_features).
        style_taste: How much the listener likes each style, shape (n_listeners, n_styles).
        n_plays: How many plays the listener makes, shape (n_listeners,).
    """

    names: list[str]
    cities: list[str]
    streets: list[str]
    favourites: NDArray[np.int64]
    premium: NDArray[np.bool_]
    impatience: NDArray[np.float64]
    enthusiasm: NDArray[np.float64]
    sound_taste: NDArray[np.float64]
    style_taste: NDArray[np.float64]
    n_plays: NDArray[np.int64]


def make_listeners(rng: np.random.Generator, genres: Genres, count: int, n_plays: int) -> Listeners:
    """Returns the listeners; their plays add up to `n_plays`."""
    favourites = np.argpartition(rng.random((count, len(genres.names))), N_FAVOURITES)[:, :N_FAVOURITES]
    plays = _shared_out(0.08 + 1.84 * _evenly(rng, count), n_plays)
    premium = (rng.random(count) < 0.38) & (plays > 0)
    return Listeners(
        names=naming.listener_names(rng, count),
        cities=naming.cities(rng, count),
        streets=naming.streets(rng, count),
        favourites=favourites,
        premium=premium,
        # In v2 those who pay skip more: 45 % against 30 %.
        impatience=_normal(rng, count, -0.9, 1.5) + np.where(premium, 0.4, -0.25),
        enthusiasm=_normal(rng, count, -1.25, 1.3),
        sound_taste=_sound_taste(rng, genres, favourites),
        style_taste=_style_taste(rng, genres, favourites),
        n_plays=plays,
    )


def _evenly(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Returns shuffled evenly spaced quantiles: a small crowd then has the spread of a large one."""
    return (rng.permutation(count) + 0.5) / count


def _normal(rng: np.random.Generator, count: int, mean: float, std: float) -> NDArray[np.float64]:
    distribution = NormalDist(mean, std)
    return np.array([distribution.inv_cdf(q) for q in _evenly(rng, count).tolist()])


def _shared_out(weights: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """Returns whole numbers in proportion to the weights that add up to the total."""
    bounds = np.rint(np.cumsum(weights) / weights.sum() * total).astype(np.int64)
    shares: NDArray[np.int64] = np.diff(bounds, prepend=0)
    return shares


def _sound_taste(
    rng: np.random.Generator, genres: Genres, favourites: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Points where the favourite genres' sound points, bent a little by the listener's own mind."""
    of_genre = np.array([s.sound for s in STYLES])[genres.style]
    taste = of_genre[favourites].mean(axis=1) + 0.35 * rng.standard_normal((len(favourites), len(FEATURES)))
    unit: NDArray[np.float64] = taste / np.linalg.norm(taste, axis=1, keepdims=True)
    return unit


def _style_taste(
    rng: np.random.Generator, genres: Genres, favourites: NDArray[np.int64]
) -> NDArray[np.float64]:
    taste = 0.5 * rng.standard_normal((len(favourites), len(STYLES)))
    np.put_along_axis(taste, genres.style[favourites], 1.5, axis=1)
    return taste
