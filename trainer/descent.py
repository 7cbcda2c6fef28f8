"""Trains one network by mini-batches: AdamW, dropout, a cosine schedule, averaged weights."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models import networks
from models.artifact import Layer
from trainer.examples import Examples
from trainer.recipes import TunedRecipe

_EVALUATION_BATCH = 8192
_FEWEST_STEPS, _SMALLEST_BATCH = 20, 16


def descend(
    examples: Examples, varies: NDArray[np.bool_], recipe: TunedRecipe, seed: int
) -> Iterator[tuple[nn.Module, float]]:
    """Trains a new network; after each epoch yields one with its weights, averaged, and its mean loss.

    The average is over the latest steps. What is yielded changes as the training goes on.

    Args:
        examples: Plays to learn from.
        varies: Which inputs to read, (n_inputs,).
        recipe: How to train.
        seed: Seed of the initial weights, the batches and the dropout.
    """
    device = examples.classes.device
    with torch.random.fork_rng(range(torch.cuda.device_count()) if device.type == "cuda" else ()):
        torch.manual_seed(seed)
        network = getattr(networks, recipe.network)(int(varies.sum()), recipe.dropout).to(device)
        columns = torch.from_numpy(np.flatnonzero(varies)).to(device)
        optimizer = _optimizer(network, recipe)
        batch_size = _batch_size(len(examples), recipe)
        n_batches = -(-len(examples) // batch_size)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_batches * recipe.epochs)
        averaged = _averaged(network, n_batches, recipe)
        state = _random_state(device)
    for _ in range(recipe.epochs):
        # The process's generator is lent for an epoch only: whoever asks for the next one may draw too.
        with torch.random.fork_rng(range(torch.cuda.device_count()) if device.type == "cuda" else ()):
            _set_random_state(state, device)
            network.train()
            total = torch.zeros((), device=device)
            for plays in torch.split(torch.randperm(len(examples)).to(device), batch_size):
                total += _step(network, examples, plays, columns, recipe, optimizer) * len(plays)
                scheduler.step()
                averaged.update_parameters(network)
            state = _random_state(device)
        yield averaged.module, float(total) / len(examples)


def _averaged(network: nn.Module, n_batches: int, recipe: TunedRecipe) -> AveragedModel:
    """Returns a running average of the network's weights, over an epoch at most: old steps are worse.

    Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging" (1992), as an
    exponential moving average.
    """
    n_steps = min(recipe.averaged_steps, n_batches)
    decaying = get_ema_multi_avg_fn(1 - 1 / n_steps)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=decaying)


def _random_state(device: torch.device) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Returns the generators' states: the CPU's, and CUDA's, which draws the dropout there."""
    on_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return torch.random.get_rng_state(), on_device


def _set_random_state(state: tuple[torch.Tensor, torch.Tensor | None], device: torch.device) -> None:
    on_cpu, on_device = state
    torch.random.set_rng_state(on_cpu)
    if on_device is not None:
        torch.cuda.set_rng_state(on_device, device)


def _batch_size(n_plays: int, recipe: TunedRecipe) -> int:
    """Returns the recipe's batch size, or less where an epoch would be a step or two."""
    return min(recipe.batch_size, max(_SMALLEST_BATCH, n_plays // _FEWEST_STEPS))


def _optimizer(network: nn.Module, recipe: TunedRecipe) -> torch.optim.Optimizer:
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    biases = [parameter for parameter in network.parameters() if parameter.ndim == 1]
    groups = [
        {"params": weights, "weight_decay": recipe.weight_decay},
        {"params": biases, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate)


def _step(
    network: nn.Module,
    examples: Examples,
    plays: torch.Tensor,
    columns: torch.Tensor,
    recipe: TunedRecipe,
    optimizer: torch.optim.Optimizer,
) -> torch.Tensor:
    """Takes one step on a batch and returns its mean loss."""
    inputs = examples.inputs(plays)  # (n_batch, n_inputs)
    played = (examples.classes if examples.targets is None else examples.targets)[plays].float()
    targets = torch.stack((1 - played, played), dim=1)  # (n_batch, 2)
    if recipe.context_weights:
        # Every play a second time without its context, so that the network does as well without.
        inputs = torch.cat((inputs, examples.inputs(plays, with_context=False)))
        targets = torch.cat((targets, targets))
    # bfloat16 on CUDA: it has float32's range, so no loss has to be scaled.
    with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=inputs.device.type == "cuda"):
        logits = network(inputs[:, columns])  # (n_batch, 2)
    loss = nn.functional.cross_entropy(logits.float(), targets)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.detach()


@torch.no_grad()
def predict_logits(network: nn.Module, examples: Examples, varies: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns the log odds of playing through, (n_plays,)."""
    network.eval()
    device = examples.classes.device
    columns = torch.from_numpy(np.flatnonzero(varies)).to(device)
    batches = torch.split(torch.arange(len(examples), device=device), _EVALUATION_BATCH)
    outputs = torch.cat([network(examples.inputs(plays)[:, columns]) for plays in batches])  # (n_plays, 2)
    logits: NDArray[np.float64] = (outputs[:, 1] - outputs[:, 0]).double().cpu().numpy()
    return logits


def linear_layers(network: nn.Module, varies: NDArray[np.bool_]) -> list[Layer]:
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
    return [(full_weight, bias), *rest]
