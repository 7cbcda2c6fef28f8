"""The plays of a run: one table, and which of its rows are which part."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data import Dataset


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
