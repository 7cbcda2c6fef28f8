"""Fits a network the tuned way: first without each fold, to stop and calibrate well, then on all plays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.artifact import Layer
from models.calibration import Calibration, fit_calibration
from trainer.descent import descend, linear_layers, predict_logits
from trainer.examples import Examples
from trainer.recipes import TunedRecipe
from trainer.teacher import teach

OnEpoch = Callable[[float], None]
"""Called after each epoch with its training loss."""


@dataclass(frozen=True)
class Fitted:
    """A trained network.

    Attributes:
        layers: Its linear layers in order.
        calibration: What its logits are to be mapped by.
        best_epoch: Epochs it was trained for: as many as were best on the plays that were held out.
        training_loss: Mean loss of each epoch of the fits without a fold, dropout included.
        validation_loss: Loss on the plays that were held out, after each epoch of those fits.
    """

    layers: tuple[Layer, ...]
    calibration: Calibration
    best_epoch: int
    training_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]


def fit_tuned(
    examples: Examples,
    folds: NDArray[np.int64] | None,
    recipe: TunedRecipe,
    *,
    imagined: Sequence[Examples] = (),
    seed: int,
    on_epoch: OnEpoch,
) -> Fitted:
    """Trains without each fold in turn, to learn when to stop and how to calibrate; then on all plays.

    The last fit has the others' schedule and stops where they were best. Every play of the training part has
    its say in the calibration that way, and in the model.

    Args:
        examples: The whole training part.
        folds: Fold of each play, (n_plays,); None: there is no early stop and no calibration.
        recipe: How to train.
        imagined: The training part before other tracks, for a teacher to speak of; none: there is no teacher.
        seed: Seed of the initial weights, the batches and the dropout.
        on_epoch: Told the loss of each epoch of every fit.
    """
    varies = examples.varying()
    best_epoch, calibration = recipe.epochs, Calibration()
    training_loss = validation_loss = np.zeros(0)
    if folds is not None:
        logits, training_loss = _held_out(examples, folds, recipe, imagined, varies, seed, on_epoch)
        outcomes = examples.classes.cpu().numpy().astype(bool)
        validation_loss = np.logaddexp(0, np.where(outcomes, -logits, logits)).mean(axis=1)
        best = int(np.argmin(validation_loss))
        best_epoch, calibration = best + 1, fit_calibration(logits[best], outcomes)
    taught = teach(examples, list(imagined), seed=seed)
    for epoch, (network, loss) in enumerate(descend(taught, varies, recipe, seed), start=1):
        on_epoch(loss)
        if epoch == best_epoch:
            layers = tuple(linear_layers(network, varies))
            break
    losses = tuple(training_loss.tolist()), tuple(validation_loss.tolist())
    return Fitted(layers, calibration, best_epoch, *losses)


def _held_out(
    examples: Examples,
    folds: NDArray[np.int64],
    recipe: TunedRecipe,
    imagined: Sequence[Examples],
    varies: NDArray[np.bool_],
    seed: int,
    on_epoch: OnEpoch,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Trains without each fold; the teacher does not see it either.

    Returns:
        Logits of every play by the network that did not see it, after each epoch, (n_epochs, n_plays), and
        the mean training loss of each epoch, (n_epochs,).
    """
    logits, losses = np.empty((recipe.epochs, len(examples))), np.zeros(recipe.epochs)
    numbers = np.unique(folds)
    for number in numbers:
        asked, kept = np.flatnonzero(folds == number), np.flatnonzero(folds != number)
        held_out = examples.part(asked)
        taught = teach(examples.part(kept), [each.part(kept) for each in imagined], seed=seed)
        for epoch, (network, loss) in enumerate(descend(taught, varies, recipe, seed)):
            logits[epoch, asked] = predict_logits(network, held_out, varies)
            losses[epoch] += loss / len(numbers)
            on_epoch(loss)
    return logits, losses
