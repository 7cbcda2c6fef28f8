"""A training run, from a data set to the next version of each model in the registry."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import chain

import numpy as np
import pandas as pd
import torch

from data import Dataset, plays
from models import Artifact, ArtifactError, Manifest, Predictor, Registry
from models.artifact import save
from models.features import GenreEncoder
from models.features.fitting import fit_genres, fit_inputs
from trainer.errors import TrainingError
from trainer.evaluation import Metrics, measure, predict_plays
from trainer.fitting import OnEpoch, fit
from trainer.recipes import RECIPES, Recipe
from trainer.splitting import SPLIT_SEED, TEST_SHARE, Split, split_plays


@dataclass(frozen=True)
class Options:
    """What a run may vary.

    Attributes:
        recipe: Key of `RECIPES`.
        split: How the test part is chosen.
        device: Where to train.
        seed: Seed of everything random but the split.
        epochs: Overrides the recipe's number; None keeps it.
        data_licence: Licence of the data set, noted in the artifact.
    """

    recipe: str
    split: Split
    device: torch.device
    seed: int = 42
    epochs: int | None = None
    data_licence: str = "unspecified"


@dataclass(frozen=True)
class Trained:
    """One exported model.

    Attributes:
        name: Model name.
        version: Version in the registry.
        metrics: Quality on the test part.
        n_train: Plays in the training part.
        n_test: Plays in the test part.
        train_seconds: Time for features, oversampling and training.
    """

    name: str
    version: str
    metrics: Metrics
    n_train: int
    n_test: int
    train_seconds: float


def choose_models(names: Sequence[str], recipe: str) -> dict[str, Recipe]:
    """Returns the recipes of the named models, or of all when none is named.

    Raises:
        TrainingError: The recipe or a model is unknown.
    """
    if recipe not in RECIPES:
        raise TrainingError(f"unknown recipe {recipe!r}: choose one of {', '.join(RECIPES)}")
    known = RECIPES[recipe]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise TrainingError(f"unknown model {unknown[0]!r}: choose from {', '.join(known)}")
    return {name: known[name] for name in names or known}


def train_models(
    dataset: Dataset,
    registry: Registry,
    recipes: dict[str, Recipe],
    options: Options,
    progress_of: Callable[[str, int], OnEpoch],
) -> Iterator[Trained]:
    """Trains and exports the models one after the other.

    Args:
        dataset: Data set to learn from.
        registry: Where each model becomes the next version.
        recipes: Recipe of each model, from `choose_models`.
        options: What the run varies.
        progress_of: Called with a model's name and number of epochs; returns what is told each epoch's loss.

    Yields:
        Each model once it is exported.

    Raises:
        TrainingError: The data set cannot be trained on.
        ArtifactError: A model cannot be written.
    """
    training, test = split_plays(_known_plays(dataset), options.split)
    started = time.perf_counter()
    names = chain(*dataset.catalogue.tracks["genres"], *training["favourite_genres"])
    genres = fit_genres(names, seed=options.seed)
    genre_seconds = time.perf_counter() - started
    for name, chosen in recipes.items():
        recipe = replace(chosen, epochs=options.epochs or chosen.epochs)
        started = time.perf_counter()
        artifact = _fit_model(
            name, recipe, genres, dataset, training, options, progress_of(name, recipe.epochs)
        )
        train_seconds = time.perf_counter() - started + genre_seconds
        metrics = _evaluate(artifact, dataset, training, test)
        version = export(artifact, metrics, registry)
        yield Trained(name, version, metrics, len(training), len(test), train_seconds)


def _known_plays(dataset: Dataset) -> pd.DataFrame:
    """Returns the plays of tracks that the catalogue has; there is nothing to learn from the others."""
    table = plays(dataset)
    return table[table["track_id"].isin(dataset.catalogue.row_of)].reset_index(drop=True)


def _fit_model(
    name: str,
    recipe: Recipe,
    genres: GenreEncoder,
    dataset: Dataset,
    training: pd.DataFrame,
    options: Options,
    on_epoch: OnEpoch,
) -> Artifact:
    """Returns the trained model, not yet measured."""
    tracks = dataset.catalogue.tracks
    rows = training["track_id"].map(dataset.catalogue.row_of).to_numpy()
    encoder = fit_inputs(genres, recipe.audio, tracks.iloc[rows], training)
    listeners = [encoder.encode_listener(favourites) for favourites in training["favourite_genres"]]
    inputs = np.hstack([encoder.encode_tracks(tracks)[rows], np.vstack(listeners)])  # (n_plays, n_inputs)
    classes = (~training["skipped"].to_numpy(dtype=bool)).astype(np.int64)  # 1 = played through
    layers = fit(inputs, classes, recipe, device=options.device, seed=options.seed, on_epoch=on_epoch)
    manifest = Manifest(
        name=name,
        version="1",  # Given on export.
        description=recipe.description,
        created_at=datetime.now(UTC),
        data_digest=dataset.digest,
        data_licence=options.data_licence,
        features={
            "genres": "tf-idf, pca, k-means",
            "n_components": len(genres.components),
            "n_clusters": genres.n_clusters,
            "audio": list(recipe.audio),
        },
        split={"kind": options.split.value, "test_share": TEST_SHARE, "seed": SPLIT_SEED},
        recipe={"name": options.recipe, "seed": options.seed, **asdict(recipe), "audio": list(recipe.audio)},
        required_inputs=("track_id", "favourite_genres"),
        metrics={},
    )
    return Artifact(manifest, encoder, layers)


def _evaluate(artifact: Artifact, dataset: Dataset, training: pd.DataFrame, test: pd.DataFrame) -> Metrics:
    """Measures on the test part what the server would answer."""
    probabilities = predict_plays(Predictor(artifact, dataset.catalogue), test)
    return measure(
        probabilities,
        ~test["skipped"].to_numpy(dtype=bool),
        majority=bool(training["skipped"].mean() < 0.5),
        threshold=artifact.manifest.threshold,
    )


def export(artifact: Artifact, metrics: Metrics, registry: Registry) -> str:
    """Writes the model as the next version of its name.

    Returns:
        The version.

    Raises:
        ArtifactError: It cannot be written.
    """
    name = artifact.manifest.name
    while True:
        version = registry.next_version(name)
        manifest = artifact.manifest.model_copy(update={"version": version, "metrics": metrics.known()})
        try:
            save(replace(artifact, manifest=manifest), registry.path(name, version))
        except ArtifactError:
            if registry.next_version(name) == version:
                raise
            continue  # Another run has just taken this version.
        return version
