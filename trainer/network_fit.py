"""Fits a tuned recipe's network: on folds, to learn when to stop and how to calibrate, then on all plays."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models import networks
from models.calibration import Calibration, fit_calibration
from trainer import teacher
from trainer.descent import Descent, Fitted, OnEpoch, descend, linear_layers
from trainer.examples import Examples, View
from trainer.folds import Fold
from trainer.loss import log_loss
from trainer.recipes import TunedRecipe
from trainer.teacher import teach

_EVALUATION_BATCH = 8192
_FEWEST_STEPS, _SMALLEST_BATCH = 20, 16


def fit_tuned(
    examples: Examples,
    folds: Sequence[Fold],
    recipe: TunedRecipe,
    *,
    imagined: Sequence[Examples] = (),
    seed: int,
    on_epoch: OnEpoch,
) -> Fitted:
    """Trains on each fold's plays in turn, then on all, for as long as was best on what the folds judge.

    The last fit has the others' schedule.

    Args:
        examples: The whole training part.
        folds: What to judge by; none: there is no early stop and no calibration.
        recipe: How to train.
        imagined: The training part before other tracks, for the teacher to judge; none: there is no teacher.
        seed: Seed of the initial weights, the batches and the dropout.
        on_epoch: Called with the loss of each epoch of every fit.
    """
    if folds and min(len(fold.training) for fold in folds) < teacher.FEWEST_PLAYS:
        imagined = ()  # All fits have a teacher or none has: what the folds tell must hold for the last.
    varies = examples.varying()
    examples, *imagined = (each.narrowed(varies) for each in (examples, *imagined))
    best_epoch, calibration = recipe.epochs, Calibration()
    losses: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    if folds:
        judged = _judge(examples, folds, recipe, imagined, seed, on_epoch)
        validation_loss = np.mean([log_loss(each.logits, each.outcomes) for each in judged.parts()], axis=0)
        best = int(np.argmin(validation_loss))
        best_epoch, calibration = best + 1, fit_calibration(judged.known.logits[best], judged.known.outcomes)
        losses = tuple(judged.training_loss.tolist()), tuple(validation_loss.tolist())
    taught = teach(examples, list(imagined), seed=seed)
    network = descend_tuned(taught, recipe, seed, lambda _, loss: on_epoch(loss), best_epoch)
    return Fitted(linear_layers(network, varies), calibration, best_epoch, *losses)


@dataclass(frozen=True, eq=False)
class _Held:
    """Logits after each epoch of plays that were not learnt from, (n_epochs, n_plays), and their outcomes."""

    logits: NDArray[np.float64]
    outcomes: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Judged:
    """What the folds' fits predict of the plays that they did not learn from.

    Attributes:
        known: Of listeners who were learnt from.
        strangers: Of listeners of whom nothing was.
        training_loss: Mean of the fits after each epoch, (n_epochs,).
    """

    known: _Held
    strangers: _Held
    training_loss: NDArray[np.float64]

    def parts(self) -> list[_Held]:
        """Returns those that hold any play."""
        return [each for each in (self.known, self.strangers) if len(each.outcomes)]


@dataclass(frozen=True, eq=False)
class _FoldFit:
    """What came of one fold's fit, epoch by epoch.

    Attributes:
        known: Logits of the fold's known plays, (n_known,) each.
        strangers: Logits of its strangers' plays, (n_strangers,) each.
        training_loss: Mean loss of each epoch.
    """

    known: list[NDArray[np.float64]]
    strangers: list[NDArray[np.float64]]
    training_loss: list[float]


def _judge(
    examples: Examples,
    folds: Sequence[Fold],
    recipe: TunedRecipe,
    imagined: Sequence[Examples],
    seed: int,
    on_epoch: OnEpoch,
) -> _Judged:
    """Trains on each fold's plays and puts together what the fits predict of the plays that they judge."""
    fits = [_fit_fold(examples, fold, recipe, imagined, seed, on_epoch) for fold in folds]
    outcomes = examples.classes.cpu().numpy().astype(bool)

    def held(logits: list[list[NDArray[np.float64]]], rows: list[NDArray[np.int64]]) -> _Held:
        return _Held(np.hstack([np.stack(epochs) for epochs in logits]), outcomes[np.concatenate(rows)])

    return _Judged(
        held([fit.known for fit in fits], [fold.known for fold in folds]),
        held([fit.strangers for fit in fits], [fold.strangers for fold in folds]),
        np.mean([fit.training_loss for fit in fits], axis=0),
    )


def _fit_fold(
    examples: Examples,
    fold: Fold,
    recipe: TunedRecipe,
    imagined: Sequence[Examples],
    seed: int,
    on_epoch: OnEpoch,
) -> _FoldFit:
    """Trains on a fold's plays, teacher included, and predicts what it judges, after every epoch."""
    known, strangers = examples.part(fold.known), examples.part(fold.strangers)
    found = _FoldFit([], [], [])

    def on_fit_epoch(network: nn.Module, loss: float) -> None:
        found.known.append(predict_logits(network, known, View.KNOWN))
        found.strangers.append(predict_logits(network, strangers, View.STRANGER))
        found.training_loss.append(loss)
        on_epoch(loss)

    taught = teach(examples.part(fold.training), [each.part(fold.training) for each in imagined], seed=seed)
    descend_tuned(taught, recipe, seed, on_fit_epoch)
    return found


def descend_tuned(
    examples: Examples,
    recipe: TunedRecipe,
    seed: int,
    on_epoch: Callable[[nn.Module, float], object],
    epochs: int | None = None,
) -> nn.Module:
    """Trains a new network, as `descend` does.

    The schedule is that of the recipe's epochs; `epochs` stops sooner.
    """
    device = examples.classes.device
    # Less than the recipe's batch where an epoch would be a step or two.
    batch_size = min(recipe.batch_size, max(_SMALLEST_BATCH, len(examples) // _FEWEST_STEPS))
    n_batches = -(-len(examples) // batch_size)

    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for plays in torch.split(torch.randperm(len(examples)).to(device), batch_size):
            yield _batch(examples, plays)

    def set_up() -> Descent:
        network = getattr(networks, recipe.network)(examples.n_inputs, recipe.dropout).to(device)
        optimizer = _optimizer(network, recipe)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_batches * recipe.epochs)
        averaged = _averaged(network, n_batches, recipe)

        def after_step() -> None:
            scheduler.step()
            averaged.update_parameters(network)

        return Descent(network, optimizer, batches, averaged.module, after_step, half_precision=True)

    return descend(set_up, epochs or recipe.epochs, device, seed, on_epoch)


def _batch(examples: Examples, plays: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the inputs and targets of some plays, (n_batch, n_inputs) and (n_batch, 2).

    Every play comes more than once: as a stranger's, and without its context where there is one. The network
    is to do well with whatever it is given.
    """
    views = (View.KNOWN, View.BARE, View.NEWCOMER) if examples.has_context else (View.KNOWN, View.NEWCOMER)
    played = examples.classes.float()[:, None].expand(-1, 2) if examples.targets is None else examples.targets
    chosen = played[plays]  # (n_batch, 2): of a known listener, and of a stranger
    probabilities = torch.cat([chosen[:, int(view is View.NEWCOMER)] for view in views])
    targets = torch.stack((1 - probabilities, probabilities), dim=1)
    return torch.cat([examples.inputs(plays, view) for view in views]), targets


def _optimizer(network: nn.Module, recipe: TunedRecipe) -> torch.optim.Optimizer:
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    biases = [parameter for parameter in network.parameters() if parameter.ndim == 1]
    groups = [
        {"params": weights, "weight_decay": recipe.weight_decay},
        {"params": biases, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate)


def _averaged(network: nn.Module, n_batches: int, recipe: TunedRecipe) -> AveragedModel:
    """Returns a running average of the network's weights, over an epoch at most: older steps are worse.

    Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging" (1992), as an
    exponential moving average.
    """
    n_steps = min(recipe.averaged_steps, n_batches)
    decaying = get_ema_multi_avg_fn(1 - 1 / n_steps)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=decaying)


@torch.no_grad()
def predict_logits(network: nn.Module, examples: Examples, view: View) -> NDArray[np.float64]:
    """Returns the log odds of playing through, (n_plays,)."""
    if not len(examples):
        return np.zeros(0)
    network.eval()
    device = examples.classes.device
    batches = torch.split(torch.arange(len(examples), device=device), _EVALUATION_BATCH)
    outputs = torch.cat([network(examples.inputs(plays, view)) for plays in batches])  # (n_plays, 2)
    logits: NDArray[np.float64] = (outputs[:, 1] - outputs[:, 0]).double().cpu().numpy()
    return logits
