"""The loss: what the networks are trained on, and what it is on plays that they have not seen."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


def cross_entropy(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Returns the mean cross-entropy in nats, ().

    Args:
        outputs: Of a network, (n_plays, 2).
        targets: Classes, (n_plays,), or the probability of each, (n_plays, 2).
    """
    return nn.functional.cross_entropy(outputs.float(), targets)


def log_loss(logits: NDArray[np.float64], played_through: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns the same of log odds of playing through, by row.

    Args:
        logits: One row an epoch, (n_epochs, n_plays).
        played_through: What happened, (n_plays,).
    """
    losses: NDArray[np.float64] = np.logaddexp(0, np.where(played_through, -logits, logits)).mean(axis=1)
    return losses
