"""A teacher for the networks: boosted trees, which a network can copy and improve on.

Trees learn from few plays what a network of this size over-fits on, and the other way round. The network is
trained on what happened and on what the teacher says, of the real plays and of imagined ones: the same
listener in the same situation, before another track. The teacher sees the same plays and inputs as the
network, no others, and is not needed once the network is trained.

Source: Hinton et al., "Distilling the Knowledge in a Neural Network" (2015).
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import ThreadpoolController

from trainer.examples import Examples, View

# Fewer plays than that make no trees worth copying.
FEWEST_PLAYS = 500
# Trees need the dense inputs in memory; so many plays are plenty for them.
_MOST_PLAYS = 100_000
_OF_KNOWN = {"max_iter": 100, "learning_rate": 0.08, "min_samples_leaf": 20}
# Far fewer listeners than plays tell of strangers, and each play comes twice, with its history whole and cut.
_OF_STRANGERS = {"max_iter": 100, "learning_rate": 0.05, "max_leaf_nodes": 8, "min_samples_leaf": 200}
_BATCH = 8192
_OUTCOME_SHARE = 0.3
# Trees grown from several seeds err apart: their mean errs less than any of them. A third one gained nothing.
_N_ENSEMBLES = 2


def teach(real: Examples, imagined: list[Examples], *, seed: int) -> Examples:
    """Returns the real and the imagined plays with what a teacher of the real ones predicts as targets.

    There are two: one of listeners that it was trained on, and one that is shown no favourite genres and is
    right of strangers. The real plays alone, with no targets, where they are too few to make a teacher.
    """
    if len(real) < FEWEST_PLAYS or not imagined:
        return real
    rows = np.arange(len(real))
    if len(rows) > _MOST_PLAYS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _MOST_PLAYS, replace=False))
    strangers = (View.STRANGER, View.NEWCOMER) if real.has_context else (View.NEWCOMER,)
    plays = [real, *imagined]
    known = _teacher(real, rows, (View.KNOWN_TO_TREES,), _OF_KNOWN, seed)(plays, View.KNOWN_TO_TREES)
    of_strangers = _teacher(real, rows, strangers, _OF_STRANGERS, seed)(plays, View.NEWCOMER)
    targets = torch.stack((known, of_strangers), dim=1)  # (n_plays of all, 2)
    outcomes = real.classes.float().cpu()[:, None]
    targets[: len(real)] = _OUTCOME_SHARE * outcomes + (1 - _OUTCOME_SHARE) * targets[: len(real)]
    return real.joined(imagined, targets.to(real.classes.device))


def _teacher(
    real: Examples, rows: NDArray[np.int64], views: Sequence[View], settings: Mapping[str, float], seed: int
) -> Callable[[list[Examples], View], torch.Tensor]:
    """Returns what predicts plays as trees do that were grown on some views of the real ones."""
    inputs = np.concatenate([real.dense_inputs(rows, view) for view in views])
    classes = np.tile(real.classes.cpu().numpy()[rows], len(views))
    # No split can tell apart fewer plays than a leaf must have: such inputs would cost time alone.
    columns = np.flatnonzero(
        (np.count_nonzero(inputs, axis=0) >= settings["min_samples_leaf"]) & (np.ptp(inputs, axis=0) > 0)
    )
    if not len(columns):
        rate = float(classes.mean())
        return lambda plays, _: torch.full((sum(map(len, plays)),), rate)
    # In float64, what the trees work in: each would make its own copy.
    ensembles = _grow(inputs[:, columns].astype(np.float64), classes, settings, seed)
    return lambda plays, view: torch.cat([_predict(ensembles, part, columns, view) for part in plays])


def _grow(
    inputs: NDArray[np.float64], classes: NDArray[np.int64], settings: Mapping[str, float], seed: int
) -> list[HistGradientBoostingClassifier]:
    """Returns boosted trees that differ in the columns that each split may choose from.

    One core grows one ensemble: the trees are small, and threads that share one wait for each other, most of
    all where something else wants a core.
    """
    seeds = np.random.default_rng(seed).integers(2**32, size=_N_ENSEMBLES)
    pools = ThreadpoolController()

    def grow_one(own_seed: int) -> HistGradientBoostingClassifier:
        trees = HistGradientBoostingClassifier(
            **settings, max_features=0.5, early_stopping=False, random_state=own_seed
        )
        with pools.limit(limits=1, user_api="openmp"):  # holds for this thread only
            return trees.fit(inputs, classes)

    cores = ThreadPoolExecutor(min(_N_ENSEMBLES, os.cpu_count() or 1))
    try:
        return [each.result() for each in [cores.submit(grow_one, own_seed) for own_seed in seeds.tolist()]]
    finally:
        cores.shutdown(wait=False, cancel_futures=True)  # after Ctrl-C nothing is waited for or begun


def _predict(
    ensembles: list[HistGradientBoostingClassifier],
    examples: Examples,
    columns: NDArray[np.int64],
    view: View,
) -> torch.Tensor:
    """Returns the teacher's probabilities of playing through, (n_plays,)."""
    parts = []
    for start in range(0, len(examples), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(examples)))
        inputs = examples.dense_inputs(rows, view)[:, columns].astype(np.float64)  # once for all ensembles
        parts.append(np.mean([ensemble.predict_proba(inputs)[:, 1] for ensemble in ensembles], axis=0))
    return torch.from_numpy(np.concatenate(parts).astype(np.float32))
