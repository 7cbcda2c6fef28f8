"""Plays to a training part and a test part, and a training part to folds."""

from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from trainer.errors import TrainingError

TEST_SHARE = 0.2
# The published split: fixed whatever the seed of a run, so that runs compare on the same test part.
SPLIT_SEED = 42
_FEWEST_PLAYS = 20
_FEWEST_PLAYS_TO_FOLD = 200


class Split(StrEnum):
    """How the test part is chosen."""

    RANDOM = "random"
    TEMPORAL = "temporal"


def parse_split(name: str) -> Split:
    """Returns the split of that name.

    Raises:
        TrainingError: There is none.
    """
    if name not in list(Split):
        raise TrainingError(f"unknown split {name!r}: choose one of {', '.join(Split)}")
    return Split(name)


def split_plays(plays: pd.DataFrame, split: Split) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits the plays 80/20.

    Args:
        plays: Plays in time order.
        split: `random`: the published one; `temporal`: the last fifth by time is the test part.

    Returns:
        Training part and test part.

    Raises:
        TrainingError: There are too few plays, or the training part lacks examples of an outcome.
    """
    if len(plays) < _FEWEST_PLAYS:
        raise TrainingError(
            f"{len(plays)} plays are too few to train on: at least {_FEWEST_PLAYS} are needed"
        )
    if split is Split.RANDOM:
        training, test = train_test_split(plays, test_size=TEST_SHARE, random_state=SPLIT_SEED)
    else:
        training, test = train_test_split(plays, test_size=TEST_SHARE, shuffle=False)
    n_skipped = int(training["skipped"].sum())
    if min(n_skipped, len(training) - n_skipped) < 2:  # SMOTE draws between two of a class.
        raise TrainingError(
            f"of {len(training)} plays to train on {n_skipped} were skipped: "
            "at least 2 skipped and 2 played through are needed"
        )
    return training, test


def draw_folds(training: pd.DataFrame, split: Split, n_folds: int, seed: int) -> NDArray[np.int64] | None:
    """Chooses the folds of the training part that are held out in turn, the way the test part was chosen.

    Args:
        training: Training part, in time order.
        split: `random`: drawn; `temporal`: one stretch of time after the other.
        n_folds: How many.
        seed: Seed of the draw.

    Returns:
        Fold of each play, from 0, (n_plays,); None where so few plays are left that they could tell nothing.
    """
    if len(training) < _FEWEST_PLAYS_TO_FOLD:
        return None
    folds = np.arange(len(training)) * n_folds // len(training)
    if split is Split.RANDOM:
        np.random.default_rng(seed).shuffle(folds)
    skipped = training["skipped"].to_numpy(dtype=bool)
    if any(len(np.unique(skipped[folds != fold])) < 2 for fold in range(n_folds)):
        return None  # What is left would hold one outcome only.
    return folds
