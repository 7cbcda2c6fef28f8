"""Fits a network to the training part: SMOTE, then full-batch Adam."""

from collections.abc import Callable

import numpy as np
import torch
from imblearn.over_sampling import SMOTE
from numpy.typing import NDArray
from torch import nn

from models import networks
from models.artifact import Layer
from trainer.recipes import PublishedRecipe

OnEpoch = Callable[[float], None]
"""Called after each epoch with its training loss."""


def fit(
    inputs: NDArray[np.float32],
    classes: NDArray[np.int64],
    recipe: PublishedRecipe,
    *,
    device: torch.device,
    seed: int,
    on_epoch: OnEpoch,
) -> tuple[Layer, ...]:
    """Trains the recipe's network.

    Args:
        inputs: Standardised inputs of the training part, (n_plays, n_inputs).
        classes: 0 = skipped, 1 = played through, (n_plays,); at least two of each.
        recipe: How to train.
        device: Where to train; the data is moved there once.
        seed: Seed of the oversampling, the initial weights and the dropout.
        on_epoch: Told the loss of each epoch.

    Returns:
        The trained linear layers in order.
    """
    # An input that never varies in training teaches nothing: its weights are 0, and it costs no time here.
    varies = np.ptp(inputs, axis=0) > 0
    if not varies.any():
        varies[:] = (
            True  # A network needs inputs, even where they can teach it no more than the classes' rates.
        )
    inputs, classes = oversample(inputs[:, varies], classes, seed=seed)
    with torch.random.fork_rng(range(torch.cuda.device_count()) if device.type == "cuda" else ()):
        torch.manual_seed(seed)
        network: nn.Module = getattr(networks, recipe.network)(inputs.shape[1]).to(device)
        _descend(
            network,
            torch.from_numpy(inputs).to(device),
            torch.from_numpy(classes).to(device),
            recipe,
            on_epoch,
        )
    (weight, bias), *rest = _linear_layers(network)
    full_weight = np.zeros((len(bias), len(varies)), dtype=np.float32)
    full_weight[:, varies] = weight
    return ((full_weight, bias), *rest)


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


def _descend(
    network: nn.Module,
    inputs: torch.Tensor,
    classes: torch.Tensor,
    recipe: PublishedRecipe,
    on_epoch: OnEpoch,
) -> None:
    """Runs the recipe's epochs, each one step over all examples."""
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    scheduler = None
    if recipe.plateau_patience is not None:
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=recipe.plateau_patience)
    cross_entropy = nn.CrossEntropyLoss()
    network.train()
    for _ in range(recipe.epochs):
        optimizer.zero_grad()
        loss = cross_entropy(network(inputs), classes)  # (n_plays, n_inputs) -> (n_plays, 2) -> ()
        loss.backward()
        optimizer.step()
        loss_now = loss.item()
        if scheduler is not None:
            scheduler.step(loss_now)
        on_epoch(loss_now)


def _linear_layers(network: nn.Module) -> list[Layer]:
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    return [(layer.weight.detach().cpu().numpy(), layer.bias.detach().cpu().numpy()) for layer in layers]
