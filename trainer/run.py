"""A training run, from a data set to the next version of each model in the registry."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data import Dataset, plays
from models import Artifact, ArtifactError, Manifest, Predictor, Registry
from models.artifact import load
from models.features.genre_tfidf import fit_genres
from trainer.building import Options, build, recipe_entry, split_entry
from trainer.errors import TrainingError
from trainer.evaluation import Metrics, measure, predict_plays
from trainer.fitting import OnEpoch
from trainer.parts import Parts
from trainer.recipes import RECIPES, Recipe
from trainer.splitting import split_plays
from trainer.tuned import Fitted

__all__ = ["Options", "Trained", "choose_models", "export", "known_plays", "train_models"]


@dataclass(frozen=True)
class Trained:
    """One exported model.

    Attributes:
        name: Model name.
        version: Version in the registry.
        metrics: Quality on the test part.
        n_train: Plays in the training part.
        n_test: Plays in the test part.
        train_seconds: Time for features and training.
        threshold: Probability below which the model expects a skip.
        probabilities: Of the test part's plays, (n_test,).
        fitted: How the training went; None for a model that was kept from an earlier run.
    """

    name: str
    version: str
    metrics: Metrics
    n_train: int
    n_test: int
    train_seconds: float
    threshold: float
    probabilities: NDArray[np.float64] = field(repr=False, compare=False)
    fitted: Fitted | None = field(repr=False, compare=False)


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
    parts = split_dataset(dataset, options)
    started = time.perf_counter()
    names = chain(*dataset.catalogue.tracks["genres"], *parts.training["favourite_genres"])
    genres = fit_genres(names, seed=options.seed)
    genre_seconds = time.perf_counter() - started
    for name, chosen in recipes.items():
        recipe = replace(chosen, epochs=options.epochs or chosen.epochs)
        kept = _exported_before(name, recipe, registry, dataset, options) if options.resume else None
        if kept is not None:
            yield _kept(kept, parts)
            continue
        started = time.perf_counter()
        artifact, fitted = build(
            name, recipe, genres, parts, options, progress_of(name, recipe.epochs * recipe.n_fits)
        )
        train_seconds = time.perf_counter() - started + genre_seconds
        metrics, probabilities = _evaluate(artifact, parts)
        version = export(artifact, metrics, registry)
        sizes = len(parts.training_rows), len(parts.test_rows)
        threshold = artifact.manifest.threshold
        yield Trained(name, version, metrics, *sizes, train_seconds, threshold, probabilities, fitted)


def split_dataset(dataset: Dataset, options: Options) -> Parts:
    """Returns a data set's plays, split as the options say.

    Raises:
        TrainingError: There are too few, or too few of an outcome.
    """
    table = known_plays(dataset)
    training, test = split_plays(table, options.split)
    return Parts(dataset, table, training.index.to_numpy(), test.index.to_numpy())


def known_plays(dataset: Dataset) -> pd.DataFrame:
    """Returns the plays of tracks that the catalogue has; there is nothing to learn from the others."""
    table = plays(dataset)
    return table[table["track_id"].isin(dataset.catalogue.row_of)].reset_index(drop=True)


def _exported_before(
    name: str, recipe: Recipe, registry: Registry, dataset: Dataset, options: Options
) -> Artifact | None:
    """Returns the name's newest model if this very run would make it again."""
    versions = registry.versions(name)
    if not versions:
        return None
    try:
        artifact = load(registry.path(name, versions[-1]))
    except ArtifactError:
        return None  # Broken: it stays for people to look at, and the next version is trained.
    manifest = artifact.manifest
    wanted = (dataset.digest, split_entry(options), recipe_entry(recipe, options), options.data_licence)
    found = (manifest.data_digest, manifest.split, manifest.recipe, manifest.data_licence)
    return artifact if json.loads(json.dumps(wanted)) == json.loads(json.dumps(found)) else None


def _kept(artifact: Artifact, parts: Parts) -> Trained:
    """Returns the results of a model that an earlier run exported."""
    metrics, probabilities = _evaluate(artifact, parts)
    manifest: Manifest = artifact.manifest
    seconds = float(str(manifest.training.get("seconds", 0.0)))
    sizes = len(parts.training_rows), len(parts.test_rows)
    named = manifest.name, manifest.version
    return Trained(*named, metrics, *sizes, seconds, manifest.threshold, probabilities, None)


def _evaluate(artifact: Artifact, parts: Parts) -> tuple[Metrics, NDArray[np.float64]]:
    """Measures on the test part what the server would answer."""
    probabilities = predict_plays(Predictor(artifact, parts.dataset.catalogue), parts.test, parts.plays)
    metrics = measure(
        probabilities,
        ~parts.test["skipped"].to_numpy(dtype=bool),
        majority=bool(parts.training["skipped"].mean() < 0.5),
        threshold=artifact.manifest.threshold,
    )
    return metrics, probabilities


def export(artifact: Artifact, metrics: Metrics, registry: Registry) -> str:
    """Writes the model as the next version of its name.

    Returns:
        The version.

    Raises:
        ArtifactError: It cannot be written.
    """
    manifest = artifact.manifest.model_copy(update={"metrics": metrics.known()})
    return registry.add(replace(artifact, manifest=manifest))
