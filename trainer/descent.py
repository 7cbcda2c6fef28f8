"""The descent: epochs of optimiser steps, the same loop for every recipe, and the network that results."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.artifact import Layer
from models.calibration import Calibration
from trainer.loss import cross_entropy

OnEpoch = Callable[[float], None]
"""Called after each epoch with its training loss."""


@dataclass(frozen=True)
class Fitted:
    """A trained network.

    Attributes:
        layers: Its linear layers in order.
        calibration: What its logits are to be mapped by.
        best_epoch: Epochs it was trained for: as many as were best on the plays that were held out.
        training_loss: Mean loss of each epoch, dropout included; of the folds' fits where there are such.
        validation_loss: Loss on the plays that were held out, after each epoch of those fits.
    """

    layers: tuple[Layer, ...]
    calibration: Calibration
    best_epoch: int
    training_loss: tuple[float, ...]
    validation_loss: tuple[float, ...] = ()


@dataclass(frozen=True)
class Descent:
    """A network and how it is trained.

    Attributes:
        network: What to train.
        optimizer: Moves its weights.
        batches: Returns an epoch's batches: inputs (n_batch, n_inputs), and targets as `cross_entropy` takes
            them.
        result: The network to use: `network`, or an average of it.
        after_step: Called after every step.
        after_epoch: Called after every epoch with its mean loss.
        half_precision: Whether CUDA may calculate in bfloat16, which has float32's range: no loss has to be
            scaled.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    batches: Callable[[], Iterable[tuple[torch.Tensor, torch.Tensor]]]
    result: nn.Module
    after_step: Callable[[], object] = lambda: None
    after_epoch: Callable[[float], object] = lambda loss: None
    half_precision: bool = False


def descend(
    set_up: Callable[[], Descent],
    epochs: int,
    device: torch.device,
    seed: int,
    on_epoch: Callable[[nn.Module, float], object],
) -> nn.Module:
    """Trains a new network and returns it; the process's own random numbers stay as they were.

    Args:
        set_up: Makes the network and what trains it.
        epochs: How many.
        device: Where it is trained.
        seed: Seed of whatever is drawn: the initial weights, the batches and the dropout.
        on_epoch: Called after each epoch with the network as it is then, and the epoch's mean loss.
    """
    with torch.random.fork_rng(range(torch.cuda.device_count()) if device.type == "cuda" else ()):
        torch.manual_seed(seed)
        descent = set_up()
        for _ in range(epochs):
            loss = _run_epoch(descent, device)
            descent.after_epoch(loss)
            on_epoch(descent.result, loss)
    return descent.result


def _run_epoch(descent: Descent, device: torch.device) -> float:
    """Runs a step on each batch and returns their mean loss."""
    total, n_plays = torch.zeros((), device=device), 0
    descent.network.train()
    for inputs, targets in descent.batches():
        half = descent.half_precision and device.type == "cuda"
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=half):
            outputs = descent.network(inputs)  # (n_batch, 2)
        loss = cross_entropy(outputs, targets)
        descent.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        descent.optimizer.step()
        descent.after_step()
        total += loss.detach() * len(inputs)
        n_plays += len(inputs)
    return float(total) / n_plays


def linear_layers(network: nn.Module, varies: NDArray[np.bool_]) -> tuple[Layer, ...]:
    """Returns the linear layers of a network that was trained on the inputs that vary; others weigh 0."""
    modules = [module for module in network.modules() if isinstance(module, nn.Linear)]
    layers = [(layer.weight.detach().cpu().numpy(), layer.bias.detach().cpu().numpy()) for layer in modules]
    (weight, bias), *rest = layers
    full_weight = np.zeros((len(bias), len(varies)), dtype=np.float32)
    full_weight[:, varies] = weight
    return ((full_weight, bias), *rest)
