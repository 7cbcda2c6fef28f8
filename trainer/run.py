"""A training run, from a data set to the next version of each model in the registry."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from models import Artifact, Manifest, Predictor, Registry
from models.features import GenreEncoder, InputEncoder
from models.features.genre_tfidf import fit_genres
from trainer.descent import Fitted, OnEpoch
from trainer.errors import TrainingError
from trainer.evaluation.measurement import Metrics, measure, predict_plays
from trainer.export import exported_before, make_artifact, with_metrics
from trainer.options import Options
from trainer.published import train_published
from trainer.recipes import RECIPES, PublishedRecipe, Recipe, TunedRecipe
from trainer.splits import Parts
from trainer.tuned import train_tuned


@dataclass(frozen=True, eq=False)
class Tested:
    """What a model, or one of each round, says of the test part.

    Attributes:
        encoders: Encoder of each round's model.
        probabilities: Of playing through, (n_test,).
        without_context: The same where no context is given; None for a model that reads none.
    """

    encoders: tuple[InputEncoder, ...]
    probabilities: NDArray[np.float64]
    without_context: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class Trained:
    """One exported model.

    Attributes:
        manifest: As it was exported, its version and threshold among the rest.
        metrics: Quality on the test part.
        tested: What that was measured on.
        fitted: How the training went; None for a model that was kept from an earlier run.
    """

    manifest: Manifest
    metrics: Metrics
    tested: Tested
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
    """Trains, measures and exports the models one after the other.

    Args:
        parts: Plays to learn from and to measure on.
        registry: Where each model becomes the next version.
        recipes: Recipe of each model, from `choose_models`.
        options: What the run varies.
        progress_of: Returns the callback of a model's epochs, given its name and their number.

    Yields:
        Each model once it is exported.

    Raises:
        TrainingError: A recipe is of an unknown kind, or the options do not go together.
        ArtifactError: A model cannot be written.
    """
    options.check()

    @cache  # models share it
    def genres_of(part: Parts) -> GenreEncoder:
        names = chain(*part.dataset.catalogue.tracks["genres"], *part.training["favourite_genres"])
        return fit_genres(names, seed=options.seed)

    for name, chosen in recipes.items():
        recipe = chosen.shortened(options.epochs)
        kept = exported_before(name, recipe, registry, parts, options) if options.resume else None
        if kept is not None:
            tested = _test([kept], parts)
            yield Trained(kept.manifest, _measure(tested, kept.manifest.threshold, parts), tested, None)
            continue
        n_rounds = len(parts.turns) + options.exports_refitted
        on_epoch = progress_of(name, recipe.epochs * recipe.n_fits * n_rounds)
        train = partial(_train, name, recipe, genres_of, options, on_epoch)
        yield _train_and_export(train, parts, registry, options)


def _train_and_export(
    train: Callable[[Parts], tuple[Artifact, Fitted]], parts: Parts, registry: Registry, options: Options
) -> Trained:
    """Trains a model in turns, measures it, trains it on all plays where that is wanted, and exports it."""
    started = time.perf_counter()
    artifacts, fits = zip(*map(train, parts.turns), strict=True)
    tested = _test(artifacts, parts)
    artifact, fitted = artifacts[-1], fits[-1]
    metrics = _measure(tested, artifact.manifest.threshold, parts)
    if options.exports_refitted:
        artifact, fitted = train(parts.whole)
    seconds = time.perf_counter() - started
    exported = registry.add(with_metrics(artifact, metrics.known(), len(parts.test_rows), seconds))
    return Trained(exported.manifest, metrics, tested, fitted)


def _train(
    name: str,
    recipe: Recipe,
    genres_of: Callable[[Parts], GenreEncoder],
    options: Options,
    on_epoch: OnEpoch,
    part: Parts,
) -> tuple[Artifact, Fitted]:
    """Trains a model on one training part."""
    genres = genres_of(part)
    match recipe:
        case PublishedRecipe():
            inputs, fitted = train_published(recipe, genres, part, options, on_epoch)
        case TunedRecipe():
            inputs, fitted = train_tuned(recipe, genres, part, options, on_epoch)
        case _:
            raise TrainingError(f"no way to train a {type(recipe).__name__}")
    return make_artifact(name, recipe, inputs, fitted, part, options), fitted


def _test(artifacts: Sequence[Artifact], parts: Parts) -> Tested:
    """Asks each turn's model, as it would be served, for its part of the test part."""
    found = np.empty(len(parts.plays))
    without_context = np.empty(len(parts.plays))
    reads_context = artifacts[0].inputs.context is not None
    for artifact, part in zip(artifacts, parts.turns, strict=True):
        predictor = Predictor(artifact, parts.dataset.catalogue)
        found[part.test_rows] = predict_plays(predictor, part.test, parts.plays)
        if reads_context:
            without_context[part.test_rows] = predict_plays(predictor, part.test)
    encoders = tuple(artifact.inputs for artifact in artifacts)
    bare = without_context[parts.test_rows] if reads_context else None
    return Tested(encoders, found[parts.test_rows], bare)


def _measure(tested: Tested, threshold: float, parts: Parts) -> Metrics:
    return measure(tested.probabilities, parts.outcomes, majority=parts.majority, threshold=threshold)
