"""A training run, from a data set to the next version of each model in the registry."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from models import Artifact, Manifest, Predictor, Registry
from models.features import GenreEncoder, InputEncoder
from models.features.genre_tfidf import fit_genres
from trainer.descent import Fitted, OnEpoch
from trainer.errors import TrainingError
from trainer.evaluation.measurement import Metrics, measure, predict_plays
from trainer.export import exported_before, make_artifact
from trainer.options import Options
from trainer.published import train_published
from trainer.recipes import RECIPES, PublishedRecipe, Recipe, TunedRecipe
from trainer.splits import Parts
from trainer.tuned import train_tuned


@dataclass(frozen=True, eq=False)
class Trained:
    """One exported model.

    Attributes:
        manifest: As it was exported, its version and threshold among the rest.
        metrics: Quality on the test part.
        probabilities: Of the test part's plays, (n_test,).
        fitted: How the training went; None for a model that was kept from an earlier run.
    """

    manifest: Manifest
    metrics: Metrics
    probabilities: NDArray[np.float64]
    fitted: Fitted | None

    @property
    def name(self) -> str:
        """Returns the model's name."""
        return self.manifest.name


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
    parts: Parts,
    registry: Registry,
    recipes: dict[str, Recipe],
    options: Options,
    progress_of: Callable[[str, int], OnEpoch],
) -> Iterator[Trained]:
    """Trains and exports the models one after the other.

    Args:
        parts: Plays to learn from and to measure on.
        registry: Where each model becomes the next version.
        recipes: Recipe of each model, from `choose_models`.
        options: What the run varies.
        progress_of: Returns the callback of a model's epochs, given its name and their number.

    Yields:
        Each model once it is exported.

    Raises:
        TrainingError: A recipe is of an unknown kind.
        ArtifactError: A model cannot be written.
    """
    started = time.perf_counter()
    names = chain(*parts.dataset.catalogue.tracks["genres"], *parts.training["favourite_genres"])
    genres = fit_genres(names, seed=options.seed)
    genre_seconds = time.perf_counter() - started
    for name, chosen in recipes.items():
        recipe = chosen.shortened(options.epochs)
        kept = exported_before(name, recipe, registry, parts, options) if options.resume else None
        if kept is not None:
            yield Trained(kept.manifest, *_evaluate(kept, parts), None)
            continue
        started = time.perf_counter()
        on_epoch = progress_of(name, recipe.epochs * recipe.n_fits)
        inputs, fitted = _train(recipe, genres, parts, options, on_epoch)
        seconds = time.perf_counter() - started + genre_seconds
        artifact = make_artifact(name, recipe, inputs, fitted, parts, options, seconds)
        metrics, probabilities = _evaluate(artifact, parts)
        manifest = artifact.manifest.model_copy(update={"metrics": metrics.known()})
        exported = registry.add(replace(artifact, manifest=manifest))
        yield Trained(exported.manifest, metrics, probabilities, fitted)


def _train(
    recipe: Recipe, genres: GenreEncoder, parts: Parts, options: Options, on_epoch: OnEpoch
) -> tuple[InputEncoder, Fitted]:
    match recipe:
        case PublishedRecipe():
            return train_published(recipe, genres, parts, options, on_epoch)
        case TunedRecipe():
            return train_tuned(recipe, genres, parts, options, on_epoch)
    raise TrainingError(f"no way to train a {type(recipe).__name__}")


def _evaluate(artifact: Artifact, parts: Parts) -> tuple[Metrics, NDArray[np.float64]]:
    """Measures on the test part what the server would answer."""
    probabilities = predict_plays(Predictor(artifact, parts.dataset.catalogue), parts.test, parts.plays)
    metrics = measure(
        probabilities, parts.outcomes, majority=parts.majority, threshold=artifact.manifest.threshold
    )
    return metrics, probabilities
