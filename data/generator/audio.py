"""What synthetic tracks sound like: standard deviations first, then the attributes of `tracks.jsonl`.

The constants put the mean and the quartiles of every attribute near those of the real release v2.
"""

import numpy as np
from numpy.typing import NDArray

from data.generator.vocabulary import FEATURES, STYLES

_STYLE, _ARTIST, _TRACK = 0.62, 0.33, 0.71
"""How much of a track's sound comes from its style, its artist and itself (squares add up to 1)."""

_DURATION_QUANTILES = [0, 0.001, 0.005, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.998, 0.999, 1]
_DURATIONS_S = [4, 36, 55, 106, 140, 177, 217, 263, 316, 364, 543, 974, 1440, 2400]
"""Durations of v2 in seconds at these quantiles."""
_HIT_DURATIONS = [0.05, 0.93]
"""The quantiles between which hits are: in v2 none of them is an interlude or an hour-long set."""


def sounds(
    rng: np.random.Generator, artist: NDArray[np.int64], style: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Returns each track's audio features in standard deviations, shape (n_tracks, n_features)."""
    of_style = np.array([s.sound for s in STYLES])
    of_artist = rng.standard_normal((int(artist.max()) + 1, len(FEATURES)))
    of_track = rng.standard_normal((len(artist), len(FEATURES)))
    return _STYLE * of_style[style] + _ARTIST * of_artist[artist] + _TRACK * of_track


def attributes(
    rng: np.random.Generator,
    sound: NDArray[np.float64],
    style: NDArray[np.int64],
    is_hit: NDArray[np.bool_],
) -> dict[str, NDArray[np.generic]]:
    """Returns the columns of `tracks.jsonl` from `duration_ms` to `tempo`, in the files' order."""
    count = len(sound)
    z = dict(zip(FEATURES, sound.T, strict=True))
    explicit_share = np.array([s.explicit_share for s in STYLES])[style]
    is_live = rng.random(count) < 0.09
    liveness = np.where(
        is_live, rng.uniform(0.5, 1.0, count), 0.13 * np.exp(0.6 * rng.standard_normal(count))
    )
    loudness = -9.6 + 4.3 * (0.75 * z["energy"] + 0.66 * rng.standard_normal(count))
    return {
        "duration_ms": _duration_ms(rng, z["instrumentalness"], is_hit),
        "explicit": (rng.random(count) < explicit_share).astype(np.int64),
        "release_date": _release_dates(rng, count),
        "danceability": _share(0.562 + 0.16 * z["danceability"]),
        "energy": _share(0.561 + 0.25 * z["energy"]),
        "key": rng.integers(0, 12, count),
        "loudness": np.round(np.clip(loudness, -60.0, 2.5), 3),
        "speechiness": np.round(np.clip(np.exp(-3.0 + 0.7 * z["speechiness"]), 0.022, 0.967), 4),
        "acousticness": np.round(_rank(z["acousticness"]) ** 1.45, 4),
        "instrumentalness": _instrumentalness(z["instrumentalness"]),
        "liveness": np.round(np.clip(liveness, 0.01, 1.0), 4),
        "valence": _share(0.563 + 0.26 * z["valence"]),
        "tempo": np.round(np.clip(119.6 + 29.6 * z["tempo"], 38.0, 220.0), 3),
    }


def _share(values: NDArray[np.float64]) -> NDArray[np.float64]:
    share: NDArray[np.float64] = np.clip(values, 0.0, 0.999)
    return share.round(3)


def _rank(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the normal distribution function of z, near enough (logistic)."""
    return 1.0 / (1.0 + np.exp(-1.702 * z))


def _instrumentalness(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spreads over six orders of magnitude, with a quarter of the tracks at zero."""
    excess = np.clip((_rank(z) - 0.27) / 0.73, 0.0, 1.0)
    return np.where(excess > 0, np.round(np.exp(np.log(10.0) * (6.0 * excess - 6.0)), 7), 0.0)


def _duration_ms(
    rng: np.random.Generator, instrumentalness_z: NDArray[np.float64], is_hit: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Spreads like v2's durations, from interludes to hour-long sets; longer for instrumental tracks."""
    count = len(instrumentalness_z)
    z = 0.2 * instrumentalness_z + 0.98 * rng.standard_normal(count)
    quantiles = (np.argsort(np.argsort(z)) + 0.5) / count
    quantiles[is_hit] = _HIT_DURATIONS[0] + quantiles[is_hit] * np.ptp(_HIT_DURATIONS)
    duration_ms = 1000 * np.exp(np.interp(quantiles, _DURATION_QUANTILES, np.log(_DURATIONS_S)))
    return duration_ms.astype(np.int64)


def _release_dates(rng: np.random.Generator, count: int) -> NDArray[np.str_]:
    """Returns dates to the day, the year or, seldom, the month, as the real release has them."""
    years = 2021 - np.minimum(rng.exponential(18.0, count), 90).astype(np.int64)
    days = rng.integers(0, 365, count)
    dates = ((years - 1970).astype("datetime64[Y]").astype("datetime64[D]") + days).astype(str)
    length = rng.choice([10, 4, 7], size=count, p=[0.766, 0.229, 0.005])
    return np.array([date[:n] for date, n in zip(dates.tolist(), length.tolist(), strict=True)])
