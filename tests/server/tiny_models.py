"""Artifacts that are quick to make and to load."""

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from models.artifact import Artifact, Manifest, save
from models.features import InputEncoder
from models.features.genre_tfidf import fit_genres


def save_tiny_model(registry: Path, name: str, version: str, **manifest_fields: Any) -> None:
    """Writes an artifact of random weights; the advanced one has the lower log loss unless told otherwise."""
    genres = fit_genres(["rock", "pop", "jazz", "polish rock", "folk"], seed=1)
    n_inputs = 2 * genres.n_clusters
    inputs = InputEncoder(genres, (), np.zeros(n_inputs), np.ones(n_inputs))
    random = np.random.default_rng(len(name))
    layers = tuple(
        (random.normal(size=(n_out, n_in)).astype(np.float32), random.normal(size=n_out).astype(np.float32))
        for n_in, n_out in pairwise((n_inputs, 4, 2))
    )
    manifest = Manifest(
        name=name,
        version=version,
        description=f"A tiny {name} model.",
        created_at=datetime(2030, 1, 1, tzinfo=UTC),
        data_digest="0" * 64,
        features={},
        split={},
        recipe={},
        required_inputs=("track_id", "favourite_genres"),
        metrics={"log_loss": 0.6 if name == "advanced" else 0.7},
    )
    manifest = manifest.model_copy(update=manifest_fields)
    save(Artifact(manifest, inputs, layers), registry / name / version)
