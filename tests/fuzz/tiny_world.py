"""A catalogue of forty tracks, and models of random weights over it that read all that a request can say."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, pairwise
from pathlib import Path

import numpy as np

from data import Catalogue, generate, read_catalogue
from models import Artifact, Manifest, Registry
from models.features import BlockWeights, ContextEncoder, track_views
from models.features.genre_taste import GenreTaste, fit_places
from models.features.genre_tfidf import fit_genres
from models.features.history import CONTEXT_SETTINGS, HISTORY
from models.features.inputs import fit_weighted_inputs
from models.features.known_favourites import fit_known_favourites

AUDIO = ("duration_ms", "tempo")
MODELS = ("contextual", "simple")
KNOWN = (("rock", "pop"), ("jazz",))
"""Favourite genres that both models were trained on."""


def make_world(directory: Path) -> None:
    """Writes a data set to `data`, and a registry of two models, one with two versions, to `models`."""
    generate(directory / "data", listeners=5, tracks=40, plays=200)
    catalogue = read_catalogue(directory / "data")
    registry = Registry(directory / "models")
    for name in (*MODELS, MODELS[0]):
        registry.add(tiny_artifact(catalogue, name))


def tiny_artifact(catalogue: Catalogue, name: str) -> Artifact:
    """Returns a model that knows some listeners and guesses at others; "contextual" reads contexts too."""
    random = np.random.default_rng(len(name))
    names = sorted({*chain(*catalogue.tracks["genres"]), *chain(*KNOWN)})
    weights = BlockWeights(track_genres=0.5, audio=1.0, listener_genres=1.0)
    inputs = fit_weighted_inputs(fit_genres(names, seed=1), AUDIO, catalogue.tracks, weights)
    audio = track_views(inputs, catalogue.tracks).audio.astype(np.float64)
    places = fit_places(inputs.genres, catalogue.tracks["genres"], audio)
    taste = GenreTaste(places, random.normal(0, 0.1, places.n_axes), np.full(places.n_axes, 0.3))
    known = fit_known_favourites(map(inputs.genres.meaningful, KNOWN))
    context = _context(len(AUDIO)) if name == "contextual" else None
    inputs = replace(inputs, known=known, taste=taste, context=context)
    widths = pairwise((inputs.n_inputs, 6, 5, 2))
    layers = tuple(
        (
            random.normal(0, 0.5, (n_out, n_in)).astype(np.float32),
            random.normal(size=n_out).astype(np.float32),
        )
        for n_in, n_out in widths
    )
    manifest = Manifest(
        name=name,
        version="1",
        description=f"A {name} model of random weights.",
        created_at=datetime(2030, 1, 1, tzinfo=UTC),
        data_digest="0" * 64,
        features={},
        split={},
        recipe={},
        required_inputs=("track_id", "favourite_genres"),
        metrics={"log_loss": 0.6},
    )
    return Artifact(manifest, inputs, layers)


def _context(n_audio: int) -> ContextEncoder:
    ones = np.ones(len(HISTORY))
    relevance = np.full(n_audio, 1 / n_audio)
    return ContextEncoder(0.6, relevance, 0 * ones, ones, ones, 1.0, CONTEXT_SETTINGS)
