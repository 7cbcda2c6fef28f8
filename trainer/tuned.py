"""The tuned recipe: mini-batches, AdamW, a teacher, early stopping and calibration by held-out folds.

The network is first trained without each fold, to learn when to stop and how to calibrate, then on all plays.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models import ListenerContext, networks
from models.calibration import Calibration, fit_calibration
from models.features import GenreEncoder, InputEncoder, track_views
from models.features.context_encoder import fit_context
from models.features.genre_tfidf import single_out
from models.features.inputs import fit_weighted_inputs
from trainer.descent import Descent, Fitted, OnEpoch, descend, linear_layers
from trainer.examples import Examples, contexts_at, make_examples
from trainer.loss import log_loss
from trainer.options import Options
from trainer.recipes import TunedRecipe
from trainer.splits import Parts, draw_folds
from trainer.teacher import imagine, teach

_EVALUATION_BATCH = 8192
_FEWEST_STEPS, _SMALLEST_BATCH = 20, 16


def train_tuned(
    recipe: TunedRecipe, genres: GenreEncoder, parts: Parts, options: Options, on_epoch: OnEpoch
) -> tuple[InputEncoder, Fitted]:
    """Fits the encoder and the network on the training part."""
    catalogue, plays, seed = parts.dataset.catalogue, parts.training_in_time, options.seed
    folds = draw_folds(plays, options.split, recipe.n_folds, seed)
    encoder = _fit_encoder(recipe, single_out(genres, chain(*plays["favourite_genres"])), parts, plays)

    def contexts() -> Iterator[ListenerContext]:
        return contexts_at(parts.plays, plays.index.to_numpy())

    examples = make_examples(encoder, catalogue, plays, contexts(), options.device)
    imagined = imagine(examples, encoder, catalogue, contexts, copies=recipe.imagined_copies, seed=seed)
    with threadpool_limits(1):  # a batch is small: threads that share one spend their time waiting
        return encoder, fit_tuned(examples, folds, recipe, imagined=imagined, seed=seed, on_epoch=on_epoch)


def _fit_encoder(
    recipe: TunedRecipe, genres: GenreEncoder, parts: Parts, plays: pd.DataFrame
) -> InputEncoder:
    """Fits the encoder on plays of the training part, in time order."""
    catalogue = parts.dataset.catalogue
    rows = np.array(plays["track_id"].map(catalogue.row_of), dtype=np.int64)
    encoder = fit_weighted_inputs(genres, recipe.audio, catalogue.tracks.iloc[rows], recipe.weights)
    if not recipe.context_weights:
        return encoder
    context = fit_context(
        track_views(encoder, catalogue.tracks),
        rows,
        ~plays["skipped"].to_numpy(dtype=bool),
        plays["listener_id"].to_numpy(),
        contexts_at(parts.plays, plays.index.to_numpy()),
        catalogue.row_of,
        recipe.context_weights,
    )
    return replace(encoder, context=context)


def fit_tuned(
    examples: Examples,
    folds: NDArray[np.int64] | None,
    recipe: TunedRecipe,
    *,
    imagined: Sequence[Examples] = (),
    seed: int,
    on_epoch: OnEpoch,
) -> Fitted:
    """Trains without each fold in turn, then on all plays, for as long as was best without.

    The last fit has the others' schedule. Every play of the training part counts in the calibration that way,
    and in the model.

    Args:
        examples: The whole training part.
        folds: Fold of each play, (n_plays,); None: there is no early stop and no calibration.
        recipe: How to train.
        imagined: The training part before other tracks, for the teacher to judge; none: there is no teacher.
        seed: Seed of the initial weights, the batches and the dropout.
        on_epoch: Called with the loss of each epoch of every fit.
    """
    varies = examples.varying()
    best_epoch, calibration, losses = recipe.epochs, Calibration(), ((), ())
    if folds is not None:
        logits, training_loss = _held_out(examples, folds, recipe, imagined, varies, seed, on_epoch)
        outcomes = examples.classes.cpu().numpy().astype(bool)
        validation_loss = log_loss(logits, outcomes)
        best = int(np.argmin(validation_loss))
        best_epoch, calibration = best + 1, fit_calibration(logits[best], outcomes)
        losses = tuple(training_loss.tolist()), tuple(validation_loss.tolist())
    taught = teach(examples, list(imagined), seed=seed)
    network = descend_tuned(taught, varies, recipe, seed, lambda _, loss: on_epoch(loss), best_epoch)
    return Fitted(linear_layers(network, varies), calibration, best_epoch, *losses)


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
        Of each epoch, logits of every play by the network that did not see it, (n_epochs, n_plays), and the
        mean training loss, (n_epochs,).
    """
    logits, losses = np.empty((recipe.epochs, len(examples))), np.zeros(recipe.epochs)
    numbers = np.unique(folds)

    def fit_without(number: int) -> None:
        asked, kept = np.flatnonzero(folds == number), np.flatnonzero(folds != number)
        held_out, epochs = examples.part(asked), iter(range(recipe.epochs))

        def note(network: nn.Module, loss: float) -> None:
            epoch = next(epochs)
            logits[epoch, asked] = predict_logits(network, held_out, varies)
            losses[epoch] += loss / len(numbers)
            on_epoch(loss)

        taught = teach(examples.part(kept), [each.part(kept) for each in imagined], seed=seed)
        descend_tuned(taught, varies, recipe, seed, note)

    for number in numbers:
        fit_without(number)
    return logits, losses


def descend_tuned(
    examples: Examples,
    varies: NDArray[np.bool_],
    recipe: TunedRecipe,
    seed: int,
    on_epoch: Callable[[nn.Module, float], object],
    epochs: int | None = None,
) -> nn.Module:
    """Trains a new network on the inputs that vary, as `descend` does.

    The schedule is that of the recipe's epochs; `epochs` stops sooner.
    """
    device = examples.classes.device
    # Less than the recipe's batch where an epoch would be a step or two.
    batch_size = min(recipe.batch_size, max(_SMALLEST_BATCH, len(examples) // _FEWEST_STEPS))
    n_batches = -(-len(examples) // batch_size)
    columns = torch.from_numpy(np.flatnonzero(varies)).to(device)

    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for plays in torch.split(torch.randperm(len(examples)).to(device), batch_size):
            inputs, targets = _batch(examples, plays, bare_too=bool(recipe.context_weights))
            yield inputs[:, columns], targets

    def set_up() -> Descent:
        network = getattr(networks, recipe.network)(len(columns), recipe.dropout).to(device)
        optimizer = _optimizer(network, recipe)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_batches * recipe.epochs)
        averaged = _averaged(network, n_batches, recipe)

        def after_step() -> None:
            scheduler.step()
            averaged.update_parameters(network)

        return Descent(network, optimizer, batches, averaged.module, after_step, half_precision=True)

    return descend(set_up, epochs or recipe.epochs, device, seed, on_epoch)


def _batch(examples: Examples, plays: torch.Tensor, *, bare_too: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the inputs and targets of some plays, (n_batch, n_inputs) and (n_batch, 2).

    With `bare_too` every play comes a second time, without its context: the network is to do as well without.
    """
    inputs = examples.inputs(plays)
    played = (examples.classes if examples.targets is None else examples.targets)[plays].float()
    targets = torch.stack((1 - played, played), dim=1)
    if not bare_too:
        return inputs, targets
    bare = examples.inputs(plays, with_context=False)
    return torch.cat((inputs, bare)), torch.cat((targets, targets))


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
def predict_logits(network: nn.Module, examples: Examples, varies: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns the log odds of playing through, (n_plays,)."""
    network.eval()
    device = examples.classes.device
    columns = torch.from_numpy(np.flatnonzero(varies)).to(device)
    batches = torch.split(torch.arange(len(examples), device=device), _EVALUATION_BATCH)
    outputs = torch.cat([network(examples.inputs(plays)[:, columns]) for plays in batches])  # (n_plays, 2)
    logits: NDArray[np.float64] = (outputs[:, 1] - outputs[:, 0]).double().cpu().numpy()
    return logits
