"""Folds of a training part: what a fit learns from, and what it is judged on."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainer.splits import Split

_FEWEST_PLAYS = 200
# One in so many listeners is held out of each fit.
_LISTENER_GROUPS = 5
# Every fit is judged on so much of the training part, so that most of it is left to learn from.
_JUDGED_SHARE = 0.2

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Fold:
    """One fit on a part of the training part; all are positions in it, rising.

    Attributes:
        training: Plays to learn from.
        known: Plays to judge on of listeners who are learnt from.
        strangers: Plays to judge on of listeners of whom nothing is learnt.
    """

    training: Rows
    known: Rows
    strangers: Rows


def draw_folds(training: pd.DataFrame, split: Split, n_folds: int, seed: int) -> list[Fold]:
    """Chooses what is learnt from and what is judged, fit by fit.

    Every fit leaves out a fifth of the listeners, who serve as strangers, and a part of the others' plays. A
    listener who is alone is no stranger.

    Args:
        training: Training part, in time order.
        split: `random`: the plays left out are drawn, others in each fit; otherwise the fits learn from the
            past, a longer one each time, and are judged on the stretch of time that follows.
        n_folds: How many fits, at most 4.
        seed: Seed of the draws.

    Returns:
        The folds; none where so few plays or outcomes would be left that they could tell nothing.

    Raises:
        ValueError: There are more than 4.
    """
    if n_folds * _JUDGED_SHARE >= 1:
        raise ValueError(f"{n_folds} folds of {_JUDGED_SHARE:.0%} leave nothing to learn from")
    random = np.random.default_rng(seed)
    n_plays = len(training)
    listener, names = pd.factorize(training["listener_id"], sort=True)
    group = random.permutation(np.arange(len(names)) % _LISTENER_GROUPS)[listener]  # (n_plays,)
    place = random.permutation(n_plays) if split is Split.RANDOM else np.arange(n_plays)
    folds = []
    for number in range(n_folds):
        # The last stretch of the last fit ends with the training part.
        start, end = (1 - _JUDGED_SHARE * (n_folds - number - ahead) for ahead in (0, 1))
        judged = (place >= start * n_plays) & (place < end * n_plays)
        learnt = ~judged if split is Split.RANDOM else place < start * n_plays
        strange = (group == number % _LISTENER_GROUPS) & (
            len(names) > 1
        )  # someone must be left to learn from
        asked = strange if split is Split.RANDOM else judged & strange
        rows = (learnt & ~strange, judged & ~strange, asked)
        folds.append(Fold(*(np.flatnonzero(chosen) for chosen in rows)))
    skipped = training["skipped"].to_numpy(dtype=bool)
    tell = all(len(fold.known) and len(np.unique(skipped[fold.training])) == 2 for fold in folds)
    return folds if tell and n_plays >= _FEWEST_PLAYS else []
