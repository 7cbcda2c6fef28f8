"""From the training part to a model that is not yet measured."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import torch
from threadpoolctl import threadpool_limits

from models import Artifact, ListenerContext, Manifest
from models.calibration import Calibration
from models.features import GenreEncoder, InputEncoder, track_views
from models.features.fitting import fit_inputs, fit_weighted_inputs, single_out
from models.features.fitting_context import fit_context
from models.listening_curve import fit_skip_times
from trainer.contexts import contexts_at
from trainer.errors import TrainingError
from trainer.examples import make_examples
from trainer.fitting import OnEpoch, fit
from trainer.parts import Parts
from trainer.recipes import PublishedRecipe, Recipe, TunedRecipe
from trainer.splitting import SPLIT_SEED, TEST_SHARE, Split, draw_folds
from trainer.teacher import imagine
from trainer.tuned import Fitted, fit_tuned


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
        resume: Whether to keep a newest version that the very same run has exported before.
    """

    recipe: str
    split: Split
    device: torch.device
    seed: int = 42
    epochs: int | None = None
    data_licence: str = "unspecified"
    resume: bool = False


def build(
    name: str, recipe: Recipe, genres: GenreEncoder, parts: Parts, options: Options, on_epoch: OnEpoch
) -> tuple[Artifact, Fitted]:
    """Trains one model.

    Returns:
        The model, not yet measured, and how its training went.

    Raises:
        TrainingError: The recipe is of an unknown kind.
    """
    started = time.perf_counter()
    match recipe:
        case PublishedRecipe():
            inputs, fitted = _build_published(recipe, genres, parts, options, on_epoch)
        case TunedRecipe():
            inputs, fitted = _build_tuned(recipe, genres, parts, options, on_epoch)
        case _:
            raise TrainingError(f"no way to train a {type(recipe).__name__}")
    training_part = parts.training
    skips = training_part[training_part["skipped"]]
    skip_times = fit_skip_times(skips["listened_s"].to_numpy(), skips["duration_s"].to_numpy())
    training = {
        "n_train": len(parts.training_rows),
        "n_test": len(parts.test_rows),
        "seconds": round(time.perf_counter() - started, 3),
        "device": options.device.type,
        "best_epoch": fitted.best_epoch,
    }
    manifest = _manifest(name, recipe, inputs, parts.dataset.digest, options, fitted.calibration, training)
    return Artifact(manifest, inputs, fitted.layers, skip_times), fitted


def _build_published(
    recipe: PublishedRecipe, genres: GenreEncoder, parts: Parts, options: Options, on_epoch: OnEpoch
) -> tuple[InputEncoder, Fitted]:
    catalogue, plays = parts.dataset.catalogue, parts.training
    rows = plays["track_id"].map(catalogue.row_of).to_numpy()
    encoder = fit_inputs(genres, recipe.audio, catalogue.tracks.iloc[rows], plays)
    listeners = [encoder.encode_listener(favourites) for favourites in plays["favourite_genres"]]
    inputs = np.hstack([encoder.encode_tracks(catalogue.tracks)[rows], np.vstack(listeners)])
    classes = (~plays["skipped"].to_numpy(dtype=bool)).astype(np.int64)  # 1 = played through
    losses: list[float] = []

    def note(loss: float) -> None:
        losses.append(loss)
        on_epoch(loss)

    layers = fit(inputs, classes, recipe, device=options.device, seed=options.seed, on_epoch=note)
    return encoder, Fitted(layers, Calibration(), recipe.epochs, tuple(losses), ())


def _build_tuned(
    recipe: TunedRecipe, genres: GenreEncoder, parts: Parts, options: Options, on_epoch: OnEpoch
) -> tuple[InputEncoder, Fitted]:
    catalogue, plays = parts.dataset.catalogue, parts.training_in_time
    folds = draw_folds(plays, options.split, recipe.n_folds, options.seed)
    genres = single_out(genres, chain(*plays["favourite_genres"]))
    encoder = _fit_encoder(recipe, genres, parts, plays)

    def contexts() -> Iterator[ListenerContext]:
        return contexts_at(parts.plays, plays.index.to_numpy())

    examples = make_examples(encoder, catalogue, plays, contexts(), options.device)
    imagined = imagine(
        examples, encoder, catalogue, contexts, copies=recipe.imagined_copies, seed=options.seed
    )
    seed = options.seed
    with threadpool_limits(1):  # a batch is small: threads that share one spend their time waiting
        return encoder, fit_tuned(examples, folds, recipe, imagined=imagined, seed=seed, on_epoch=on_epoch)


def _fit_encoder(
    recipe: TunedRecipe, genres: GenreEncoder, parts: Parts, plays: pd.DataFrame
) -> InputEncoder:
    """Fits the encoder on plays of the training part, in time order."""
    catalogue = parts.dataset.catalogue
    rows = np.array(plays["track_id"].map(catalogue.row_of), dtype=np.int64)
    encoder = fit_weighted_inputs(genres, recipe.audio, catalogue.tracks.iloc[rows], recipe.weights)
    if not recipe.context_weights:
        return encoder
    context = fit_context(
        track_views(encoder, catalogue.tracks),
        rows,
        ~plays["skipped"].to_numpy(dtype=bool),
        pd.factorize(plays["listener_id"], sort=True)[0],
        contexts_at(parts.plays, plays.index.to_numpy()),
        catalogue.row_of,
        recipe.context_weights,
    )
    return replace(encoder, context=context)


def recipe_entry(recipe: Recipe, options: Options) -> dict[str, Any]:
    """Returns what the manifest says of the recipe."""
    return {"name": options.recipe, "seed": options.seed, **asdict(recipe), "audio": list(recipe.audio)}


def split_entry(options: Options) -> dict[str, Any]:
    """Returns what the manifest says of the split."""
    return {"kind": options.split.value, "test_share": TEST_SHARE, "seed": SPLIT_SEED}


def _manifest(
    name: str,
    recipe: Recipe,
    inputs: InputEncoder,
    data_digest: str,
    options: Options,
    calibration: Calibration,
    training: dict[str, Any],
) -> Manifest:
    optional = ("context",) if inputs.context is not None else ()
    return Manifest(
        name=name,
        version="1",  # Given on export.
        description=recipe.description,
        created_at=datetime.now(UTC),
        data_digest=data_digest,
        data_licence=options.data_licence,
        features={
            "genres": "tf-idf, pca, k-means",
            "n_components": len(inputs.genres.components),
            "n_clusters": inputs.genres.n_clusters,
            "audio": list(recipe.audio),
            "context": inputs.n_context_inputs,
        },
        split=split_entry(options),
        recipe=recipe_entry(recipe, options),
        required_inputs=("track_id", "favourite_genres", *optional),
        calibration=calibration,
        training=training,
        metrics={},
    )
