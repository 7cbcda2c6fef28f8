"""An artifact's parts from the contents of its files, with every shape and value checked.

The digests of the files, the format and the folder's name are checked before, in `folder`.
"""

from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from safetensors.numpy import load

from models.artifact.contents import GenresFile, Layer
from models.features import ContextEncoder, ContextSettings, GenreEncoder, InputEncoder, NormalScores
from models.features.genre_taste import GenrePlaces, GenreTaste
from models.features.history import HISTORY
from models.features.known_favourites import KnownFavourites
from models.listening_curve import SkipTimes

# Standardised inputs are bounded too, so that a network of a few such layers cannot overflow float32.
_LARGEST_WEIGHT = 1e6
_LARGEST_INPUT = 1e4
_LARGEST_MEAN, _LEAST_SCALE = 1e12, 1e-6  # a mean may be one of milliseconds
_LARGEST_SUM = 1e37
# Wide of all that was ever fitted, and narrow enough that no listener's context can make a number overflow.
_CONSTANTS = (1e-3, 1e6)
_LEAST_RIDGE = 1.0
_OF_TASTE = ("genre_sounds", "taste_leaning", "taste_affinity")


def unpack_encoder(genres: GenresFile, content: bytes) -> InputEncoder:
    """Returns the encoder; raises as `unpack_layers` does."""
    arrays = load(content)
    n_terms = len(genres.terms)
    n_clusters, n_components = arrays["centroids"].shape
    n_inputs = 2 * n_clusters + len(genres.audio)  # without the context's block
    shapes: dict[str, tuple[int, ...]] = {
        "idf": (n_terms,), "pca_mean": (n_terms,), "pca_components": (n_components, n_terms),
        "centroids": (n_clusters, n_components), "input_mean": (n_inputs,), "input_scale": (n_inputs,),
    }  # fmt: skip
    idf, pca_mean, components, centroids, mean, scale = (
        _checked(arrays, name, shape, np.float64) for name, shape in shapes.items()
    )
    if (scale < _LEAST_SCALE).any() or (np.abs(mean) > _LARGEST_MEAN).any():
        raise ValueError(
            f"input_scale must be positive, from {_LEAST_SCALE:g}; input_mean within {_LARGEST_MEAN:g} of 0"
        )
    for name, array in (
        ("idf", idf), ("pca_mean", pca_mean), ("pca_components", components), ("centroids", centroids),
    ):  # fmt: skip
        _check_size(name, array)
    if not all(0 <= cluster < n_clusters for cluster in genres.cluster_of.values()):
        raise ValueError("a genre's cluster is out of range")
    encoder = GenreEncoder(genres.cluster_of, genres.terms, idf, pca_mean, components, centroids)
    scores, context = _unpack_scores(genres, arrays), _unpack_context(genres, arrays)
    known, taste = _unpack_known(arrays), _unpack_taste(encoder, len(genres.audio), arrays)
    return InputEncoder(encoder, genres.audio, mean, scale, scores, context, known, taste)


def _unpack_known(arrays: Mapping[str, NDArray[Any]]) -> KnownFavourites | None:
    keys = arrays.get("known_favourites")
    if keys is None:
        return None
    if keys.dtype != np.uint64 or keys.ndim != 1:
        raise ValueError("known_favourites must be one row of unsigned numbers")
    return KnownFavourites(keys)


def _unpack_taste(
    genres: GenreEncoder, n_audio: int, arrays: Mapping[str, NDArray[Any]]
) -> GenreTaste | None:
    if arrays.keys().isdisjoint(_OF_TASTE):
        return None
    sounds = _checked(arrays, "genre_sounds", (len(genres.cluster_of), n_audio), np.float64)
    places = GenrePlaces(genres, sounds)
    leaning, affinity = (_checked(arrays, name, (places.n_axes,), np.float64) for name in _OF_TASTE[1:])
    for name, array in zip(_OF_TASTE, (sounds, leaning, affinity), strict=True):
        _check_size(name, array)
    return GenreTaste(places, leaning, affinity)


def _unpack_scores(genres: GenresFile, arrays: Mapping[str, NDArray[Any]]) -> NormalScores | None:
    if genres.score_tail is None:
        return None
    n_knots = arrays["audio_knots"].shape[-1]
    knots = _checked(arrays, "audio_knots", (len(genres.audio), n_knots), np.float64)
    _check_rising("audio_knots", knots)
    return NormalScores(knots, genres.score_tail)


def _unpack_context(genres: GenresFile, arrays: Mapping[str, NDArray[Any]]) -> ContextEncoder | None:
    settings = genres.context
    if settings is None:
        return None
    _check_constants(genres, settings)
    relevance = _checked(arrays, "context_relevance", (len(genres.audio),), np.float64)
    mean, scale, weight = (
        _checked(arrays, f"context_{name}", (len(HISTORY),), np.float64)
        for name in ("mean", "scale", "weight")
    )
    (prior,) = _checked(arrays, "context_prior", (1,), np.float64)
    (situation_weight,) = _checked(arrays, "context_situation_weight", (1,), np.float64)
    least = _CONSTANTS[0]
    _check_range("context_scale", scale, least, np.inf)
    _check_range("context_relevance", relevance, 0, 1)
    _check_range("context_prior", prior, least, 1 - least)
    _check_range("context_mean", mean, -_LARGEST_WEIGHT, _LARGEST_WEIGHT)
    largest = max(np.abs(weight).max(), abs(situation_weight)) * (settings.bound + settings.situation_centre)
    if largest > _LARGEST_INPUT:
        raise ValueError(f"context_weight and context_situation_weight make inputs beyond {_LARGEST_INPUT:g}")
    return ContextEncoder(float(prior), relevance, mean, scale, weight, float(situation_weight), settings)


def _check_constants(genres: GenresFile, settings: ContextSettings) -> None:
    if genres.audio and genres.score_tail is None:
        raise ValueError("a context needs audio attributes on their normal scale: score_tail is missing")
    constants, (least, most) = np.hstack(astuple(settings)), _CONSTANTS
    if not ((constants >= least) & (constants <= most)).all() or settings.ridge < _LEAST_RIDGE:
        said = f"in [{least:g}, {most:g}], and ridge from {_LEAST_RIDGE:g}"
        raise ValueError(f"the context's constants must be positive, {said}")


def unpack_skip_times(content: bytes) -> SkipTimes:
    """Returns the spread of skips; raises as `unpack_layers` does."""
    arrays = load(content)
    shape = (len(arrays["shares"]),)
    shares, seconds = (_checked(arrays, name, shape, np.float64) for name in ("shares", "seconds"))
    _check_rising("shares", shares)
    _check_rising("seconds", seconds)
    return SkipTimes(shares, seconds)


def _check_size(name: str, values: NDArray[Any]) -> None:
    """Raises for numbers that no training makes, with which a prediction could overflow."""
    if np.abs(values).max(initial=0) > _LARGEST_WEIGHT:
        raise ValueError(f"{name} holds a number beyond {_LARGEST_WEIGHT:g}")


def _check_range(name: str, values: Any, least: float, most: float) -> None:
    if not ((values >= least) & (values <= most)).all():
        raise ValueError(f"{name} must lie in [{least:g}, {most:g}]")


def _check_rising(name: str, values: NDArray[Any]) -> None:
    if values.shape[-1] < 2 or (np.diff(values) < 0).any():
        raise ValueError(f"{name} must rise")


def unpack_layers(content: bytes, n_inputs: int) -> tuple[Layer, ...]:
    """Returns the linear layers, two or more, of a network with two outputs.

    Raises:
        KeyError: An array is missing.
        ValueError: The parts do not fit together, or hold a value that is out of range or not finite.
        safetensors.SafetensorError: The content is no safetensors file.
    """
    arrays = load(content)
    layers: list[Layer] = []
    width, largest = n_inputs, _LARGEST_INPUT
    for number in range(1, len(arrays) // 2 + 1):
        n_outputs = len(arrays[f"layer_{number}.bias"])
        weight = _checked(arrays, f"layer_{number}.weight", (n_outputs, width), np.float32)
        bias = _checked(arrays, f"layer_{number}.bias", (n_outputs,), np.float32)
        if max(np.abs(weight).max(initial=0), np.abs(bias).max(initial=0)) > _LARGEST_WEIGHT:
            raise ValueError(f"layer_{number} holds a weight beyond {_LARGEST_WEIGHT:g}")
        largest = float(
            (np.abs(weight).sum(axis=1, dtype=np.float64) * largest + np.abs(bias)).max(initial=0)
        )
        if largest > _LARGEST_SUM:
            raise ValueError(f"layer_{number} can overflow")
        layers.append((weight, bias))
        width = n_outputs
    if len(layers) < 2 or width != 2:
        raise ValueError(f"{len(layers)} layers with {width} outputs: expected two or more layers with 2")
    return tuple(layers)


def _checked(
    arrays: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...], dtype: DTypeLike
) -> NDArray[Any]:
    array = arrays[name]
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
    with np.errstate(over="ignore"):  # What overflows becomes infinite and is refused below.
        array = array.astype(dtype)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds a value that is not finite")
    return array
