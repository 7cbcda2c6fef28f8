"""Synthetic listeners: what they like, how patient they are, how much they listen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.generator import names
from data.generator.odds import even_quantiles, intercept, log_odds, probability
from data.generator.vocabulary import FEATURES, STYLES, Genres

FIRST_LISTENER_ID = 101
N_FAVOURITES = 3

_SKIP_SHARE, _LIKE_SHARE = 0.3412, 0.2733
"""Skips and likes a play, as in v2."""
_PREMIUM_SHARE = 0.38
_LISTENERS_AT_A_TIME = 4096

# How the listeners of v2 differ: their own shares of skips and likes at these quantiles of the crowd.
_QUANTILES = [0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0]
_SKIP_SHARES = np.array([0.045, 0.059, 0.078, 0.107, 0.266, 0.487, 0.70, 0.741, 0.882])
_LIKE_SHARES = np.array([0.029, 0.050, 0.064, 0.083, 0.185, 0.404, 0.693, 0.738, 0.772])


@dataclass(frozen=True)
class Listeners:
    """Listeners by row.

    Attributes:
        names: Names.
        cities: Cities.
        streets: Streets with house numbers.
        favourites: Favourite genres, shape (n_listeners, 3).
        premium: Whether the listener buys premium during the recording, shape (n_listeners,).
        skip_share: Share of the plays that the listener skips, shape (n_listeners,).
        like_share: Share of the plays in which the listener likes the track, shape (n_listeners,).
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
    skip_share: NDArray[np.float64]
    like_share: NDArray[np.float64]
    sound_taste: NDArray[np.float64]
    style_taste: NDArray[np.float64]
    n_plays: NDArray[np.int64]


def make_listeners(rng: np.random.Generator, genres: Genres, count: int, n_plays: int) -> Listeners:
    """Returns the listeners; their plays add up to `n_plays`, and together they skip and like as v2's."""
    favourites = _favourites(rng, len(genres.names), count)
    activity, loyalty, impatience, enthusiasm = even_quantiles(rng, count, 4).T
    plays = _shared_out(0.05 + 1.9 * activity, n_plays)
    premium = (loyalty < _PREMIUM_SHARE) & (plays > 0)
    # In v2 listeners who buy premium skip more, 40 % of a listener's plays against 29 % in the mean. There it
    # begins with the purchase, here it is theirs from the start.
    skip_log_odds = _at_quantiles(impatience, _SKIP_SHARES) + np.where(premium, 0.35, -0.2)
    return Listeners(
        names=names.listener_names(rng, count),
        cities=names.cities(rng, count),
        streets=names.streets(rng, count),
        favourites=favourites,
        premium=premium,
        skip_share=_shifted_to(_SKIP_SHARE, skip_log_odds, plays),
        like_share=_shifted_to(_LIKE_SHARE, _at_quantiles(enthusiasm, _LIKE_SHARES), plays),
        sound_taste=_sound_taste(rng, genres, favourites),
        style_taste=_style_taste(rng, genres, favourites),
        n_plays=plays,
    )


def _favourites(rng: np.random.Generator, n_genres: int, count: int) -> NDArray[np.int64]:
    """Draws each listener's favourite genres, shape (count, 3), in parts of bounded memory."""
    favourites = np.empty((count, N_FAVOURITES), dtype=np.int64)
    for first in range(0, count, _LISTENERS_AT_A_TIME):
        some = favourites[first : first + _LISTENERS_AT_A_TIME]
        # The order within a partition depends on the processor's vector instructions: sort it.
        drawn = np.argpartition(rng.random((len(some), n_genres)), N_FAVOURITES)[:, :N_FAVOURITES]
        some[:] = np.sort(drawn, axis=1)
    return favourites


def _at_quantiles(quantiles: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the log-odds at quantiles of the crowd, from the shares at `_QUANTILES`."""
    return np.interp(quantiles, _QUANTILES, log_odds(shares))


def _shifted_to(
    share: float, own_log_odds: NDArray[np.float64], plays: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Returns the listeners' shares, all shifted alike so that over all plays they come to `share`."""
    return probability(own_log_odds + intercept(share, own_log_odds, plays / plays.sum()))


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
