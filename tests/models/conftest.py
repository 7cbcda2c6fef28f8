"""A tiny catalogue and models over it, made by hand."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data import Catalogue
from models import Artifact, Manifest
from models.artifact import save
from models.features import BlockWeights, ContextEncoder, GenreEncoder, InputEncoder, track_views
from models.features.genre_taste import GenreTaste, fit_places
from models.features.genre_tfidf import fit_genres
from models.features.history import CONTEXT_SETTINGS, HISTORY
from models.features.inputs import fit_weighted_inputs
from models.features.known_favourites import fit_known_favourites
from tests.models.mood_genres import FAMILIES, KNOWN, neighbourhood

AUDIO = ("duration_ms", "tempo")
GENRES = ["rock", "hard rock", "desi pop", "indie pop", "k-pop", "r&b", "jazz fusion", "Free Jazz"]


@pytest.fixture(scope="session")
def tiny_catalogue() -> Catalogue:
    """Four tracks: one without genres, one without a tempo."""
    tracks = pd.DataFrame(
        {
            "id": ["a", "b", "c", "d"],
            "duration_ms": [180_000, 240_000, 60_000, 4_000_000],
            "tempo": [120.0, 90.5, np.nan, 60.0],
            "genres": [["rock", "hard rock"], ["desi pop"], [], ["jazz fusion"]],
        }
    )
    return Catalogue(tracks)


@pytest.fixture(scope="session")
def genre_encoder() -> GenreEncoder:
    """An encoder of eight genre names."""
    return fit_genres(GENRES, seed=1)


@pytest.fixture(scope="session")
def tiny_artifact(genre_encoder: GenreEncoder) -> Artifact:
    """A network of random weights with the advanced model's kinds of input."""
    random = np.random.default_rng(5)
    n_inputs = 2 * genre_encoder.n_clusters + len(AUDIO)
    mean, scale = np.full(n_inputs, 0.2), np.full(n_inputs, 0.4)
    mean[genre_encoder.n_clusters :][:2] = [200_000, 100]
    scale[genre_encoder.n_clusters :][:2] = [50_000, 25]
    widths = (n_inputs, 6, 5, 2)
    layers = tuple(
        (random.normal(size=(n_out, n_in)).astype(np.float32), random.normal(size=n_out).astype(np.float32))
        for n_in, n_out in pairwise(widths)
    )
    manifest = Manifest(
        name="tiny",
        version="1",
        description="A model for tests.",
        created_at=datetime(2024, 1, 1, tzinfo=UTC),
        data_digest="0" * 64,
        features={},
        split={},
        recipe={},
        required_inputs=("track_id", "favourite_genres"),
        metrics={"accuracy": 0.75},
    )
    return Artifact(manifest, InputEncoder(genre_encoder, AUDIO, mean, scale), layers)


@pytest.fixture
def saved_artifact(tiny_artifact: Artifact, tmp_path: Path) -> Path:
    """The tiny artifact on disk, as version 1 of a registry in `tmp_path`."""
    path = tmp_path / "tiny" / "1"
    save(tiny_artifact, path)
    return path


@pytest.fixture(scope="session")
def mood_catalogue() -> Catalogue:
    """Sixty tracks of three families of genres, each family with a sound of its own."""
    random, numbers = np.random.default_rng(8), np.arange(60)
    tracks = pd.DataFrame(
        {
            "id": [f"t{number}" for number in numbers],
            "duration_ms": random.integers(120_000, 300_000, 60),
            "tempo": random.normal(90 + 15 * (numbers % 3), 20),
            "genres": [[f"mood{number} {FAMILIES[number % 3]}"] for number in numbers],
        }
    )
    return Catalogue(tracks)


@pytest.fixture(scope="session")
def knowing_artifact(tiny_artifact: Artifact, mood_catalogue: Catalogue) -> Artifact:
    """A contextual network of random weights that knows some listeners and has a strong taste of genres."""
    random = np.random.default_rng(3)
    names = [name for family in FAMILIES for name in neighbourhood(family)]
    weights = BlockWeights(track_genres=0.5, audio=1.0, listener_genres=1.0)
    inputs = fit_weighted_inputs(fit_genres(names, seed=1), AUDIO, mood_catalogue.tracks, weights)
    audio = track_views(inputs, mood_catalogue.tracks).audio.astype(np.float64)
    places = fit_places(inputs.genres, mood_catalogue.tracks["genres"], audio)
    inputs = replace(
        inputs,
        context=plain_context(len(AUDIO)),
        known=fit_known_favourites(map(inputs.genres.meaningful, KNOWN)),
        taste=GenreTaste(places, random.normal(0, 0.1, places.n_axes), np.full(places.n_axes, 0.3)),
    )
    layers = tuple(
        (
            (random.normal(size=(n_out, n_in)) / np.sqrt(n_in)).astype(np.float32),
            random.normal(size=n_out).astype(np.float32),
        )
        for n_in, n_out in pairwise((inputs.n_inputs, 6, 5, 2))
    )
    return replace(tiny_artifact, inputs=inputs, layers=layers)


def plain_context(n_audio: int) -> ContextEncoder:
    """Returns a context encoder whose features are neither moved nor stretched."""
    ones = np.ones(len(HISTORY))
    relevance = np.full(n_audio, 1 / n_audio)
    return ContextEncoder(0.6, relevance, 0 * ones, ones, ones, 1.0, CONTEXT_SETTINGS)
