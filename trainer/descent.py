"""The descent: epochs of optimiser steps, the same loop for every recipe, and the network that results."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
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
        training_loss: Mean loss of each epoch, dropout included; of the fits without a fold where there are
            such.
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
    set_up: Callable[[], Descent], epochs: int, device: torch.device, seed: int
) -> Iterator[tuple[nn.Module, float]]:
    """Trains a new network; after each epoch yields it and the epoch's mean loss.

    What is yielded changes as the training goes on.

    Args:
        set_up: Makes the network and what trains it.
        epochs: How many.
        device: Where it is trained.
        seed: Seed of whatever is drawn: the initial weights, the batches and the dropout.
    """
    # The process's generator is lent for an epoch only: whoever asks for the next one may draw too.
    with _own_randomness(device):
        torch.manual_seed(seed)
        descent = set_up()
        state = _random_state(device)
    for _ in range(epochs):
        with _own_randomness(device):
            _set_random_state(state, device)
            loss = _run_epoch(descent, device)
            state = _random_state(device)
        descent.after_epoch(loss)
        yield descent.result, loss


def _run_epoch(descent: Descent, device: torch.device) -> float:
    """Takes a step on each batch and returns their mean loss."""
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


@contextmanager
def _own_randomness(device: torch.device) -> Iterator[None]:
    """Gives the process's generators back as they were."""
    with torch.random.fork_rng(range(torch.cuda.device_count()) if device.type == "cuda" else ()):
        yield


def _random_state(device: torch.device) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Returns the generators' states: the CPU's, and CUDA's, which draws the dropout there."""
    on_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return torch.random.get_rng_state(), on_device


def _set_random_state(state: tuple[torch.Tensor, torch.Tensor | None], device: torch.device) -> None:
    on_cpu, on_device = state
    torch.random.set_rng_state(on_cpu)
    if on_device is not None:
        torch.cuda.set_rng_state(on_device, device)


def linear_layers(network: nn.Module, varies: NDArray[np.bool_]) -> tuple[Layer, ...]:
    """Returns the network's linear layers; inputs that it never saw vary get the weight 0.

    Args:
        network: Trained on the varying inputs only.
        varies: Which inputs those are, (n_inputs,).
    """
    modules = [module for module in network.modules() if isinstance(module, nn.Linear)]
    layers = [(layer.weight.detach().cpu().numpy(), layer.bias.detach().cpu().numpy()) for layer in modules]
    (weight, bias), *rest = layers
    full_weight = np.zeros((len(bias), len(varies)), dtype=np.float32)
    full_weight[:, varies] = weight
    return ((full_weight, bias), *rest)
