"""Plays to a training part and a test part."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, train_test_split

from data import Dataset, plays
from trainer.errors import TrainingError

TEST_SHARE = 0.2
# The published split: fixed whatever the seed of a run, so that runs compare on the same test part.
SPLIT_SEED = 42
_LISTENER_ROUNDS = 5
_FEWEST_PLAYS = 20


class Split(StrEnum):
    """How the test part is chosen."""

    RANDOM = "random"
    """A fifth of the plays, drawn."""
    TEMPORAL = "temporal"
    """The last fifth by time."""
    LISTENER = "listener"
    """A fifth of the listeners, five times in turn: every play is tested by a model that never met its
    listener."""


@dataclass(frozen=True, eq=False)
class Parts:
    """The plays of a run, held once: a part is copied out of them when it is asked for.

    Attributes:
        dataset: Where they come from.
        plays: All of them, in time order.
        training_rows: Positions of those to learn from, (n_train,).
        test_rows: Positions of those to measure on, (n_test,).
        rounds: Parts that are trained on and tested in turn, where one training part cannot do for the whole
            test part; see `turns`.
    """

    dataset: Dataset
    plays: pd.DataFrame
    training_rows: NDArray[np.int64]
    test_rows: NDArray[np.int64]
    rounds: "tuple[Parts, ...]" = ()

    @property
    def turns(self) -> "tuple[Parts, ...]":
        """Returns the parts to train on and test in turn: `rounds`, or this one alone."""
        return self.rounds or (self,)

    @cached_property
    def whole(self) -> "Parts":
        """Returns the parts of a model that learns from all plays; there is nothing left to test it on."""
        rows = np.arange(len(self.plays))
        return Parts(self.dataset, self.plays, rows, rows[:0])

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
    def listener_of(self) -> NDArray[np.int64]:
        """Returns a number for the listener of each play of the test part, (n_test,)."""
        return pd.factorize(self.test["listener_id"])[0].astype(np.int64)

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
    if split is Split.LISTENER:
        return _split_by_listener(dataset, table)
    training, test = split_plays(table, split)
    return Parts(dataset, table, training.index.to_numpy(), test.index.to_numpy())


def _split_by_listener(dataset: Dataset, table: pd.DataFrame) -> Parts:
    """Returns all plays as the test part, and the rounds in which each listener is left out once."""
    _check_number(table)
    n_listeners = table["listener_id"].nunique()
    if n_listeners < _LISTENER_ROUNDS:
        raise TrainingError(f"{n_listeners} listeners are too few to hold a fifth of them out")
    folds = GroupKFold(_LISTENER_ROUNDS, shuffle=True, random_state=SPLIT_SEED)
    rounds = []
    for training, test in folds.split(table, groups=table["listener_id"]):
        _check_outcomes(table.iloc[training])
        rounds.append(Parts(dataset, table, training, test))
    rows = np.arange(len(table))
    return Parts(dataset, table, rows, rows, tuple(rounds))


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
    _check_number(plays)
    if split is Split.RANDOM:
        training, test = train_test_split(plays, test_size=TEST_SHARE, random_state=SPLIT_SEED)
    else:
        training, test = train_test_split(plays, test_size=TEST_SHARE, shuffle=False)
    _check_outcomes(training)
    return training, test


def _check_number(plays: pd.DataFrame) -> None:
    if len(plays) < _FEWEST_PLAYS:
        raise TrainingError(
            f"{len(plays)} plays are too few to train on: at least {_FEWEST_PLAYS} are needed"
        )


def _check_outcomes(training: pd.DataFrame) -> None:
    n_skipped = int(training["skipped"].sum())
    if min(n_skipped, len(training) - n_skipped) < 2:  # SMOTE draws between two of a class.
        raise TrainingError(
            f"of {len(training)} plays to train on {n_skipped} were skipped: "
            "at least 2 skipped and 2 played through are needed"
        )
