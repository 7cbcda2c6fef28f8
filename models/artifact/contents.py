"""An artifact's parts as the contents of its files."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from safetensors.numpy import save

from models.features import ContextSettings, InputEncoder
from models.listening_curve import SkipTimes

Layer = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Weight (n_out, n_in) and bias (n_out,) of a linear layer."""


class GenresFile(BaseModel):
    """The encoder's text and constants: `genres.json`.

    Attributes:
        cluster_of: Cluster of every genre known at training.
        terms: Words of the TF-IDF vocabulary, by column.
        audio: Track columns that are inputs.
        score_tail: See `NormalScores`; None for a model without.
        context: See `ContextEncoder`; None for a model without.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster_of: dict[str, int]
    terms: tuple[str, ...]
    audio: tuple[str, ...]
    score_tail: float | None = Field(ge=1e-6, lt=0.5)
    context: ContextSettings | None


def pack_genres(inputs: InputEncoder) -> bytes:
    """Returns the encoder's text and constants as JSON."""
    text = GenresFile(
        cluster_of=dict(inputs.genres.cluster_of),
        terms=inputs.genres.terms,
        audio=inputs.audio,
        score_tail=None if inputs.scores is None else inputs.scores.tail,
        context=None if inputs.context is None else inputs.context.settings,
    )
    return text.model_dump_json(indent=1).encode()


def pack_encoder(inputs: InputEncoder) -> bytes:
    """Returns the encoder's arrays as safetensors."""
    genres = inputs.genres
    arrays: dict[str, NDArray[Any]] = {
        "idf": genres.idf, "pca_mean": genres.mean, "pca_components": genres.components,
        "centroids": genres.centroids, "input_mean": inputs.mean, "input_scale": inputs.scale,
    }  # fmt: skip
    if inputs.scores is not None:
        arrays["audio_knots"] = inputs.scores.knots
    if inputs.known is not None:
        arrays["known_favourites"] = inputs.known.keys
    if inputs.taste is not None:
        taste = inputs.taste
        arrays |= {
            "genre_sounds": taste.places.sounds, "taste_leaning": taste.leaning,
            "taste_affinity": taste.affinity,
        }  # fmt: skip
    if inputs.context is not None:
        context = inputs.context
        arrays |= {
            "context_relevance": context.relevance, "context_mean": context.mean,
            "context_scale": context.scale, "context_weight": context.weight,
            "context_prior": np.array([context.prior]),
            "context_situation_weight": np.array([context.situation_weight]),
        }  # fmt: skip
    return _pack(arrays)


def pack_skip_times(skip_times: SkipTimes) -> bytes:
    """Returns the spread of skips as safetensors."""
    return _pack({"shares": skip_times.shares, "seconds": skip_times.seconds})


def pack_layers(layers: tuple[Layer, ...]) -> bytes:
    """Returns the linear layers as safetensors: `layer_1.weight`, `layer_1.bias`, ..."""
    arrays: dict[str, NDArray[Any]] = {}
    for number, (weight, bias) in enumerate(layers, start=1):
        arrays[f"layer_{number}.weight"], arrays[f"layer_{number}.bias"] = weight, bias
    return _pack(arrays)


def _pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
