"""Quality by how much of a listener was known before the play: a service meets new listeners all the time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation.bootstrap import Intervals, bootstrap_intervals
from trainer.evaluation.measurement import Metrics, measure

BANDS = ((0, 0), (1, 2), (3, 9), (10, 29), (30, 99), (100, None))
"""Least and greatest number of the listener's known plays; None: no limit."""


@dataclass(frozen=True)
class Band:
    """The plays of listeners of whom so much was known.

    Attributes:
        label: For people and keys: "0", "1-2", …, "100-".
        n: How many plays.
        metrics: Quality on them; None where there are none.
        intervals: 95 % bootstrap intervals of it, over listeners.
    """

    label: str
    n: int
    metrics: Metrics | None
    intervals: Intervals

    def as_json(self) -> dict[str, Any]:
        """Returns what the trainer's `--json` file holds of the band."""
        found = self.metrics
        named = ("log_loss", "roc_auc", "accuracy")
        metrics = {name: None if found is None else getattr(found, name) for name in named}
        intervals = {name: list(self.intervals[name]) for name in named if name in self.intervals}
        return {"n": self.n, **metrics, "ci95": intervals}


def by_known_plays(
    probabilities: NDArray[np.float64],
    played_through: NDArray[np.bool_],
    n_known: NDArray[np.int64],
    listener_of: NDArray[np.int64],
    *,
    majority: bool,
    threshold: float,
) -> list[Band]:
    """Returns the quality in each band.

    Args:
        probabilities: Of playing through, (n_plays,).
        played_through: What happened, (n_plays,).
        n_known: How many of the listener's plays were known before each, (n_plays,).
        listener_of: Listener of each play, from 0, (n_plays,).
        majority: The training part's commoner outcome.
        threshold: Probability from which a play counts as played through.
    """
    bands = []
    for least, greatest in BANDS:
        inside = n_known >= least if greatest is None else (n_known >= least) & (n_known <= greatest)
        metrics, intervals = None, Intervals()
        if inside.any():
            asked, happened = probabilities[inside], played_through[inside]
            metrics = measure(asked, happened, majority=majority, threshold=threshold)
            intervals = bootstrap_intervals(asked, happened, listener_of[inside], threshold=threshold)
        bands.append(Band(_label(least, greatest), int(inside.sum()), metrics, intervals))
    return bands


def _label(least: int, greatest: int | None) -> str:
    if greatest is None:
        return f"{least}-"
    return str(least) if least == greatest else f"{least}-{greatest}"
