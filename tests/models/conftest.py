"""A tiny catalogue and models over it, made by hand."""

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data import Catalogue
from models import Artifact, Manifest
from models.artifact import save
from models.features import GenreEncoder, InputEncoder
from models.features.genre_tfidf import fit_genres

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
