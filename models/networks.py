"""The networks as they are trained: linear layers, a ReLU between two, so that NumPy can serve them."""

import torch
from torch import nn


class HalfDropout(nn.Module):
    """Drops each value with probability 0.5 while training and doubles the others.

    The same distribution as `nn.Dropout(0.5)`, whose Bernoulli draws take a third of an epoch on a CPU.
    """

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Returns the values, half of them dropped while training."""
        if not self.training:
            return values
        return values * torch.rand_like(values).round_().mul_(2)


class Simple(nn.Sequential):
    """Genres and favourite genres to two outputs: 50 - ReLU - 30 - ReLU - 2."""

    def __init__(self, n_inputs: int, dropout: float = 0.0) -> None:
        """Makes the layers for a number of inputs; the published network drops nothing out."""
        super().__init__(*_hidden(n_inputs, 50, dropout), *_hidden(50, 30, dropout), nn.Linear(30, 2))


class Advanced(nn.Sequential):
    """Genres, favourite genres and audio to two outputs: 100 - 50 - 30 - 2."""

    def __init__(self, n_inputs: int, dropout: float | None = None) -> None:
        """Makes the layers for a number of inputs.

        Args:
            n_inputs: Width of the inputs.
            dropout: Rate after every hidden layer; None: as published, half after the first two.
        """
        if dropout is None:
            super().__init__(
                nn.Linear(n_inputs, 100), nn.ReLU(), HalfDropout(),
                nn.Linear(100, 50), nn.ReLU(), HalfDropout(),
                nn.Linear(50, 30), nn.ReLU(),
                nn.Linear(30, 2),
            )  # fmt: skip
            return
        super().__init__(
            *_hidden(n_inputs, 100, dropout),
            *_hidden(100, 50, dropout),
            *_hidden(50, 30, dropout),
            nn.Linear(30, 2),
        )


class Contextual(Advanced):
    """What the advanced network sees and the listener's context to two outputs: 100 - 50 - 30 - 2."""


def _hidden(n_inputs: int, n_outputs: int, dropout: float) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Linear(n_inputs, n_outputs), nn.ReLU()]
    return [*layers, nn.Dropout(dropout)] if dropout else layers
