"""How good a model is on the test part, measured on what would be served."""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from models import Predictor
from trainer.contexts import contexts_at

ECE_BINS = 15
# What a certain prediction that is wrong counts as, so that its log loss is finite; scikit-learn's bound.
_SMALLEST = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Metrics:
    """Quality of play-through probabilities on a test part.

    Attributes:
        accuracy: Share of plays on the right side of the threshold.
        majority_accuracy: The same for always answering the training part's commoner outcome.
        roc_auc: Area under the ROC curve; None when the test part has one outcome only.
        log_loss: Mean negative log-likelihood, in nats.
        brier: Mean squared error of the probability.
        ece: Expected calibration error over 15 equal-mass bins.
    """

    accuracy: float
    majority_accuracy: float
    roc_auc: float | None
    log_loss: float
    brier: float
    ece: float

    def known(self) -> dict[str, float]:
        """Returns the metrics that have a value, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def predict_plays(
    predictor: Predictor, plays: pd.DataFrame, history: pd.DataFrame | None = None
) -> NDArray[np.float64]:
    """Returns the served play-through probability of every play, (n_plays,).

    Args:
        predictor: Model to ask.
        plays: Plays to predict.
        history: All plays in time order, which the index of `plays` refers to: a model that reads the
            listener's context is given it as it was before each play. None: no context is given.
    """
    track_ids, favourites = plays["track_id"].to_numpy(), plays["favourite_genres"].to_numpy()
    if history is not None and predictor.uses_context:
        asked = zip(track_ids, favourites, contexts_at(history, plays.index.to_numpy()), strict=True)
        return np.array([predictor.predict([track], *known)[0] for track, *known in asked])
    probabilities = np.empty(len(plays))
    rows_of: dict[tuple[str, ...], list[int]] = {}
    for row, favourite_genres in enumerate(favourites):
        rows_of.setdefault(tuple(favourite_genres), []).append(row)
    for favourite_genres, rows in rows_of.items():
        probabilities[rows] = predictor.predict(track_ids[rows].tolist(), favourite_genres)
    return probabilities


def measure(
    probabilities: NDArray[np.float64],
    played_through: NDArray[np.bool_],
    *,
    majority: bool,
    threshold: float = 0.5,
) -> Metrics:
    """Compares probabilities with outcomes.

    Args:
        probabilities: Of playing through, (n_plays,).
        played_through: What happened, (n_plays,).
        majority: The training part's commoner outcome.
        threshold: Probability from which a play counts as played through.
    """
    given = np.where(played_through, probabilities, 1 - probabilities)  # to what happened, (n_plays,)
    return Metrics(
        accuracy=float(np.mean((probabilities >= threshold) == played_through)),
        majority_accuracy=float(np.mean(played_through == majority)),
        roc_auc=_roc_auc(probabilities, played_through),
        log_loss=float(-np.log(np.clip(given, _SMALLEST, 1)).mean()),
        brier=float(np.square(probabilities - played_through).mean()),
        ece=calibration_error(probabilities, played_through),
    )


def _roc_auc(probabilities: NDArray[np.float64], played_through: NDArray[np.bool_]) -> float | None:
    """Returns the area under the ROC curve from mid-ranks: no curve is drawn, which counts in a bootstrap."""
    n_positive = int(played_through.sum())
    n_negative = len(played_through) - n_positive
    if n_positive == 0 or n_negative == 0:
        return None
    rank_sum = rankdata(probabilities)[played_through].sum()
    return float((rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def auc_within_listeners(
    probabilities: NDArray[np.float64],
    played_through: NDArray[np.bool_],
    listener_of: NDArray[np.int64],
) -> float | None:
    """Returns how often, of two plays of one listener, the one that was played through had the higher value.

    That is what advice on the order of one listener's tracks can be worth; how listeners differ does not
    count. None where every listener does the same every time.

    Args:
        probabilities: Of playing through, (n_plays,).
        played_through: What happened, (n_plays,).
        listener_of: Listener of each play, from 0, (n_plays,).
    """
    right, n_pairs = 0.0, 0
    order = np.argsort(listener_of, kind="stable")
    for mine in np.split(order, np.flatnonzero(np.diff(listener_of[order])) + 1):
        area = _roc_auc(probabilities[mine], played_through[mine])
        if area is not None:
            n_mine = int(played_through[mine].sum())
            n_mine *= len(mine) - n_mine
            right, n_pairs = right + area * n_mine, n_pairs + n_mine
    return right / n_pairs if n_pairs else None


def calibration_error(probabilities: NDArray[np.float64], played_through: NDArray[np.bool_]) -> float:
    """Returns the expected calibration error over equal-mass bins.

    Source: Nixon et al., "Measuring Calibration in Deep Learning" (2019), the adaptive variant.
    """
    gaps = [
        abs(probabilities[part].mean() - played_through[part].mean()) * len(part)
        for part in equal_mass_bins(probabilities)
    ]
    return float(sum(gaps) / len(probabilities))


def equal_mass_bins(probabilities: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Returns the plays' positions in 15 bins of as many plays each, by rising probability."""
    order = np.argsort(probabilities, kind="stable")
    return [part for part in np.array_split(order, ECE_BINS) if len(part)]
