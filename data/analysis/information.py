"""What the attributes of a play say about each other, and about whether it is skipped."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MOST_PLAYS = 20_000
"""Plays that mutual information is estimated on; of more, a random sample is drawn."""

DISCRETE = frozenset({
    "popularity", "explicit", "key", "release_year", "storage_class", "premium", "advertisement_before",
    "position", "hour",
})  # fmt: skip


@dataclass(frozen=True)
class Correlation:
    """Pearson's correlations between columns of the plays.

    Attributes:
        columns: n names; the last one is `skipped`.
        matrix: n rows of n; None where a column is constant.
    """

    columns: list[str]
    matrix: list[list[float | None]]


@dataclass(frozen=True)
class AttributeInformation:
    """Mutual information of one attribute with the target, in nats."""

    attribute: str
    nats: float


@dataclass(frozen=True)
class MutualInformation:
    """Mutual information of single attributes with `skipped`.

    Attributes:
        attributes: By falling information; empty when all plays ended alike.
        listener_nats: The same for who listens: no attribute of the play, but the yardstick for them.
        shuffled_nats: The most that any attribute reaches with the outcomes shuffled: the estimate's noise.
        entropy_nats: What knowing the outcome itself would give: the upper bound.
        n_plays: Plays that the estimate was made on.
        seed: Of the sample, the shuffle and the estimator.
    """

    attributes: list[AttributeInformation]
    listener_nats: float | None
    shuffled_nats: float | None
    entropy_nats: float
    n_plays: int
    seed: int


def correlation(attributes: pd.DataFrame, skipped: NDArray[np.bool_]) -> Correlation:
    """Returns the correlations of the numeric attributes and of `skipped`.

    Args:
        attributes: One row a play, numeric columns.
        skipped: (n_plays,) the target.
    """
    table = attributes.assign(skipped=skipped).astype(np.float64)
    matrix = table.corr().to_numpy()
    rows = [[None if np.isnan(r) else float(r) for r in row] for row in matrix]
    return Correlation(table.columns.tolist(), rows)


def mutual_information(
    attributes: pd.DataFrame, listener_ids: NDArray[Any], skipped: NDArray[np.bool_], seed: int
) -> MutualInformation:
    """Estimates each attribute's mutual information with `skipped`.

    Args:
        attributes: One row a play, numeric columns; those in `DISCRETE` are counted, the others go through
            the nearest-neighbour estimate.
        listener_ids: (n_plays,) who listens.
        skipped: (n_plays,) the target.
        seed: Makes the estimate repeatable.

    Source: B. C. Ross, "Mutual information between discrete and continuous data sets", 2014
        (scikit-learn's `mutual_info_classif`).
    """
    rng = np.random.default_rng(seed)
    n_plays = len(attributes)
    if n_plays > MOST_PLAYS:
        drawn = np.sort(rng.choice(n_plays, MOST_PLAYS, replace=False))
        attributes, listener_ids, skipped = attributes.iloc[drawn], listener_ids[drawn], skipped[drawn]
    known = attributes.notna().all(axis=1).to_numpy()
    table, listener_ids, skipped = attributes[known], listener_ids[known], skipped[known]
    # The estimator needs more plays of each outcome than the neighbours it looks at.
    if min(skipped.sum(), (~skipped).sum()) < 5:
        return MutualInformation([], None, None, _entropy(skipped), len(table), seed)
    measured = _estimate(table, skipped, seed)
    shuffled = _estimate(table, rng.permutation(skipped), seed)
    from sklearn.metrics import mutual_info_score  # heavy

    return MutualInformation(
        sorted(measured, key=lambda entry: -entry.nats),
        float(mutual_info_score(listener_ids, skipped)),
        max(entry.nats for entry in shuffled),
        _entropy(skipped),
        len(table),
        seed,
    )


def _estimate(table: pd.DataFrame, skipped: NDArray[np.bool_], seed: int) -> list[AttributeInformation]:
    from sklearn.feature_selection import mutual_info_classif  # heavy

    discrete = np.array([column in DISCRETE for column in table.columns])
    nats = mutual_info_classif(table.to_numpy(), skipped, discrete_features=discrete, random_state=seed)
    return [AttributeInformation(*pair) for pair in zip(table.columns, nats.tolist(), strict=True)]


def _entropy(skipped: NDArray[np.bool_]) -> float:
    share = float(skipped.mean()) if len(skipped) else 0.0
    return -sum(p * float(np.log(p)) for p in (share, 1 - share) if p > 0)
