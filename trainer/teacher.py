"""A teacher for the networks: boosted trees, which a network can copy and improve on.

Trees learn from few plays what a network of this size over-fits on, and the other way round. The network is
trained on what happened and on what the teacher says, of the real plays and of imagined ones: the same
listener in the same situation, before another track. The teacher sees the same plays and inputs as the
network, no others, and is not needed once the network is trained.

Source: Hinton et al., "Distilling the Knowledge in a Neural Network" (2015).
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import ThreadpoolController

from data import Catalogue
from models import ListenerContext
from models.features import InputEncoder
from trainer.examples import Examples, context_block

# Fewer plays than that make no trees worth copying.
_FEWEST_PLAYS = 500
# Trees need the dense inputs in memory; so many plays are plenty for them.
_MOST_PLAYS = 100_000
_FEWEST_NON_ZERO = 10
_BATCH = 8192
_OUTCOME_SHARE = 0.3
# Trees grown from several seeds err apart: their mean errs less than any of them.
_N_ENSEMBLES = 3


def imagine(
    examples: Examples,
    encoder: InputEncoder,
    catalogue: Catalogue,
    contexts: Callable[[], Iterable[ListenerContext]],
    *,
    copies: int,
    seed: int,
) -> list[Examples]:
    """Returns each play some more times, before tracks of other plays; what becomes of those is unknown.

    Args:
        examples: The training part.
        encoder: Encoder that it was made with.
        catalogue: Catalogue that it was made with.
        contexts: Returns a new stream of the plays' contexts, in order.
        copies: How many times.
        seed: Seed of the choice of tracks.
    """
    random = np.random.default_rng(seed)
    track_of = examples.track_of.cpu().numpy()
    device = examples.track_of.device
    imagined = []
    for _ in range(copies):
        rows = random.permutation(track_of)
        context, _ = context_block(encoder, catalogue, rows, contexts() if encoder.context else ())
        moved = (torch.from_numpy(array).to(device) for array in (context, rows))
        imagined.append(replace(examples, **dict(zip(("context", "track_of"), moved, strict=True))))
    return imagined


def teach(real: Examples, imagined: list[Examples], *, seed: int) -> Examples:
    """Returns the real and the imagined plays with what a teacher of the real ones predicts as targets.

    The real ones alone, with no targets, where they are too few to make a teacher.
    """
    if len(real) < _FEWEST_PLAYS or not imagined:
        return real
    rows = np.arange(len(real))
    if len(rows) > _MOST_PLAYS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _MOST_PLAYS, replace=False))
    inputs = real.dense_inputs(rows)
    columns = np.flatnonzero(
        (np.count_nonzero(inputs, axis=0) >= _FEWEST_NON_ZERO) & (np.ptp(inputs, axis=0) > 0)
    )
    if not len(columns):
        return real
    chosen = inputs[:, columns].astype(np.float64)  # what the trees work in: each would make its own copy
    del inputs
    ensembles = _grow(chosen, real.classes.cpu().numpy()[rows], seed)
    del chosen
    targets = [_predict(ensembles, part, columns) for part in (real, *imagined)]
    outcomes = real.classes.float().cpu()
    targets[0] = _OUTCOME_SHARE * outcomes + (1 - _OUTCOME_SHARE) * targets[0]
    return real.joined(imagined, torch.cat(targets).to(real.classes.device))


def _grow(
    inputs: NDArray[np.float64], classes: NDArray[np.int64], seed: int
) -> list[HistGradientBoostingClassifier]:
    """Returns boosted trees that differ in the columns that each split may choose from.

    One core grows one ensemble: the trees are small, and threads that share one wait for each other, most of
    all where something else wants a core.
    """
    seeds = np.random.default_rng(seed).integers(2**32, size=_N_ENSEMBLES)
    pools = ThreadpoolController()

    def grow_one(own_seed: int) -> HistGradientBoostingClassifier:
        trees = HistGradientBoostingClassifier(
            max_iter=150, learning_rate=0.06, max_features=0.5, early_stopping=False, random_state=own_seed
        )
        with pools.limit(limits=1, user_api="openmp"):  # holds for this thread only
            return trees.fit(inputs, classes)

    cores = ThreadPoolExecutor(min(_N_ENSEMBLES, os.cpu_count() or 1))
    try:
        return [each.result() for each in [cores.submit(grow_one, own_seed) for own_seed in seeds.tolist()]]
    finally:
        cores.shutdown(wait=False, cancel_futures=True)  # after Ctrl-C nothing is waited for or begun


def _predict(
    ensembles: list[HistGradientBoostingClassifier], examples: Examples, columns: NDArray[np.int64]
) -> torch.Tensor:
    """Returns the teacher's probabilities of playing through, (n_plays,)."""
    parts = []
    for start in range(0, len(examples), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(examples)))
        inputs = examples.dense_inputs(rows)[:, columns].astype(np.float64)  # once for all ensembles
        parts.append(np.mean([ensemble.predict_proba(inputs)[:, 1] for ensemble in ensembles], axis=0))
    return torch.from_numpy(np.concatenate(parts).astype(np.float32))
