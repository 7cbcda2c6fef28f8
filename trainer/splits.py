"""Plays to a training part and a test part, and a training part to folds."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from data import Dataset, plays
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


@dataclass(frozen=True, eq=False)
class Parts:
    """The plays of a run, held once: a part is copied out of them when it is asked for.

    Attributes:
        dataset: Where they come from.
        plays: All of them, in time order.
        training_rows: Positions of those to learn from, (n_train,).
        test_rows: Positions of those to measure on, (n_test,).
    """

    dataset: Dataset
    plays: pd.DataFrame
    training_rows: NDArray[np.int64]
    test_rows: NDArray[np.int64]

    @property
    def training(self) -> pd.DataFrame:
        """Returns a copy of the plays to learn from; the index is that of `plays`."""
        return self.plays.iloc[self.training_rows]

    @property
    def training_in_time(self) -> pd.DataFrame:
        """Returns the same in time order."""
        return self.plays.iloc[np.sort(self.training_rows)]

    @property
    def test(self) -> pd.DataFrame:
        """Returns a copy of the plays to measure on; the index is that of `plays`."""
        return self.plays.iloc[self.test_rows]

    @property
    def outcomes(self) -> NDArray[np.bool_]:
        """Returns which plays of the test part were played through, (n_test,)."""
        return ~self.test["skipped"].to_numpy(dtype=bool)

    @property
    def majority(self) -> bool:
        """Returns whether most plays of the training part were played through."""
        return bool(self.training["skipped"].mean() < 0.5)


def split_dataset(dataset: Dataset, split: Split) -> Parts:
    """Returns a data set's plays, split.

    Raises:
        TrainingError: There are too few, or too few of an outcome.
    """
    table = plays_of_known_tracks(dataset)
    training, test = split_plays(table, split)
    return Parts(dataset, table, training.index.to_numpy(), test.index.to_numpy())


def plays_of_known_tracks(dataset: Dataset) -> pd.DataFrame:
    """Returns the plays of tracks that the catalogue has; there is nothing to learn from the others."""
    table = plays(dataset)
    return table[table["track_id"].isin(dataset.catalogue.row_of)].reset_index(drop=True)


def parse_split(name: str) -> Split:
    """Returns the split of that name.

    Raises:
        TrainingError: There is none.
    """
    if name not in list(Split):
        raise TrainingError(f"unknown split {name!r}: choose one of {', '.join(Split)}")
    return Split(name)


def split_plays(plays: pd.DataFrame, split: Split) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the plays' training part and test part, 80/20.

    Args:
        plays: Plays in time order.
        split: `random`: the published one; `temporal`: the last fifth by time is the test part.

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
    """Chooses the folds of the training part that are held out in turn.

    Args:
        training: Training part, in time order.
        split: `random`: drawn; `temporal`: stretches of time. Unlike the test part, all but the last of those
            are held out of plays that came later as well.
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
