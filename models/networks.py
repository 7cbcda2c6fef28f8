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

    def __init__(self, n_inputs: int) -> None:
        """Makes the layers for a number of inputs."""
        super().__init__(
            nn.Linear(n_inputs, 50), nn.ReLU(),
            nn.Linear(50, 30), nn.ReLU(),
            nn.Linear(30, 2),
        )  # fmt: skip


class Advanced(nn.Sequential):
    """Genres, favourite genres and audio to two outputs: 100 - 50 - 30 - 2, half dropped out twice."""

    def __init__(self, n_inputs: int) -> None:
        """Makes the layers for a number of inputs."""
        super().__init__(
            nn.Linear(n_inputs, 100), nn.ReLU(), HalfDropout(),
            nn.Linear(100, 50), nn.ReLU(), HalfDropout(),
            nn.Linear(50, 30), nn.ReLU(),
            nn.Linear(30, 2),
        )  # fmt: skip
