"""The published recipe: standardised inputs, SMOTE, then full-batch Adam."""

from dataclasses import replace

import numpy as np
import torch
from imblearn.over_sampling import SMOTE
from numpy.typing import NDArray

from models import networks
from models.calibration import Calibration
from models.features import GenreEncoder, InputEncoder
from models.features.inputs import fit_inputs
from trainer.descent import Descent, Fitted, OnEpoch, descend, linear_layers
from trainer.options import Options
from trainer.recipes import PublishedRecipe
from trainer.splits import Parts


def train_published(
    recipe: PublishedRecipe, genres: GenreEncoder, parts: Parts, options: Options, on_epoch: OnEpoch
) -> tuple[InputEncoder, Fitted]:
    """Fits the encoder and the network on the training part."""
    catalogue, plays = parts.dataset.catalogue, parts.training
    rows = plays["track_id"].map(catalogue.row_of).to_numpy()
    encoder = fit_inputs(genres, recipe.audio, catalogue.tracks.iloc[rows], plays)
    listeners = [encoder.encode_listener(favourites) for favourites in plays["favourite_genres"]]
    inputs = np.hstack([encoder.encode_tracks(catalogue.tracks)[rows], np.vstack(listeners)])
    classes = (~plays["skipped"].to_numpy(dtype=bool)).astype(np.int64)  # 1 = played through
    return encoder, fit_published(inputs, classes, recipe, options.device, options.seed, on_epoch)


def fit_published(
    inputs: NDArray[np.float32],
    classes: NDArray[np.int64],
    recipe: PublishedRecipe,
    device: torch.device,
    seed: int,
    on_epoch: OnEpoch,
) -> Fitted:
    """Trains the recipe's network.

    Args:
        inputs: Standardised inputs of the training part, (n_plays, n_inputs).
        classes: 0 = skipped, 1 = played through, (n_plays,); at least two of each.
        recipe: How to train.
        device: Where to train.
        seed: Seed of the oversampling, the initial weights and the dropout.
        on_epoch: Called with the loss of each epoch.
    """
    # An input that never varies in training teaches nothing: its weights are 0, and it costs no time here.
    varies = np.ptp(inputs, axis=0) > 0
    if not varies.any():
        varies[:] = True  # A network needs inputs, even to learn no more than the classes' rates.
    inputs, classes = oversample(inputs[:, varies], classes, seed=seed)
    batch = torch.from_numpy(inputs).to(device), torch.from_numpy(classes).to(device)

    def set_up() -> Descent:
        network = getattr(networks, recipe.network)(inputs.shape[1]).to(device)
        optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
        descent = Descent(network, optimizer, lambda: (batch,), network)
        if recipe.plateau_patience is None:
            return descent
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=recipe.plateau_patience)
        return replace(descent, after_epoch=scheduler.step)

    losses: list[float] = []

    def note(_: object, loss: float) -> None:
        losses.append(loss)
        on_epoch(loss)

    network = descend(set_up, recipe.epochs, device, seed, note)
    return Fitted(linear_layers(network, varies), Calibration(), recipe.epochs, tuple(losses))


def oversample(
    inputs: NDArray[np.float32], classes: NDArray[np.int64], *, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Returns the examples with the rarer class filled up to the other's number.

    Source: Chawla et al., "SMOTE: Synthetic Minority Over-sampling Technique", JAIR 16 (2002).
    """
    n_rarer = int(np.bincount(classes, minlength=2).min())
    smote = SMOTE(random_state=seed, k_neighbors=min(5, n_rarer - 1))
    more_inputs, more_classes = smote.fit_resample(inputs, classes)
    return more_inputs.astype(np.float32), more_classes
