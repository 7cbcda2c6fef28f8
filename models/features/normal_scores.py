"""Audio attributes to normal scores: every attribute on one scale, no value far out."""

from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

N_KNOTS = 33
TAIL = 0.01


@dataclass(frozen=True, eq=False)
class NormalScores:
    """Maps each attribute through its quantiles in the training part onto a standard normal.

    Attributes:
        knots: Quantiles of each attribute at even steps from 0 to 1, rising, (n_audio, n_knots).
        tail: The outermost scores are those of this quantile and its opposite: what lies beyond counts as no
            further out.
    """

    knots: NDArray[np.float64]
    tail: float = TAIL

    def transform(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the scores of attribute values, (n_tracks, n_audio); NaN stays NaN."""
        scores = np.empty_like(values)
        for column, (knots, scores_at) in enumerate(self._curves):
            scores[:, column] = np.interp(values[:, column], knots, scores_at)
        return scores

    @cached_property
    def _curves(self) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Returns each attribute's distinct knots and their scores; equal knots share their mean score."""
        n_knots = self.knots.shape[1]
        steps = np.clip(np.linspace(0, 1, n_knots), self.tail, 1 - self.tail)
        scores = np.array([NormalDist().inv_cdf(step) for step in steps])  # (n_knots,)
        curves = []
        for row in self.knots:
            distinct, group = np.unique(row, return_inverse=True)
            curves.append((distinct, np.bincount(group, weights=scores) / np.bincount(group)))
        return curves


def fit_normal_scores(values: NDArray[np.float64]) -> NormalScores:
    """Returns the map for the training part's attributes, (n_plays, n_audio); NaN is left out."""
    steps = np.linspace(0, 1, N_KNOTS)
    knots = np.zeros((values.shape[1], N_KNOTS))
    for column, attribute in enumerate(values.T):
        known = attribute[np.isfinite(attribute)]
        if len(known):
            knots[column] = np.quantile(known, steps)
    return NormalScores(knots)
