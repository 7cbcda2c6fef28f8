"""Fits the context's encoder on the training part."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from models.context import ListenerContext
from models.features.context import ContextEncoder
from models.features.history import CONTEXT_SETTINGS, HISTORY, TrackViews, history_features

_FEWEST_PLAYS = 30
_LEAST_RELEVANCE = 0.05
# How many plays the features' means and deviations are taken from: enough for two digits of either.
_SAMPLE_PLAYS = 4000


def fit_context(
    views: TrackViews,
    rows: NDArray[np.int64],
    played_through: NDArray[np.bool_],
    listener_ids: NDArray[np.int64],
    contexts: Iterable[ListenerContext],
    row_of: Mapping[str, int],
    weights: Mapping[str, float],
) -> ContextEncoder:
    """Fits the encoder.

    Args:
        views: Views of the catalogue's tracks.
        rows: Row of each play's track, (n_plays,).
        played_through: What became of each play, (n_plays,).
        listener_ids: Listener of each play, (n_plays,).
        contexts: Context of each play; may be a generator.
        row_of: Row of each track of the catalogue.
        weights: Size of the features by name; `situation` stands for the inputs that are no history, `*` for
            the features that are not named.

    Returns:
        The encoder.
    """
    prior = float(np.clip(played_through.mean(), 0.01, 0.99))
    relevance = _relevance(views.audio[rows], played_through, listener_ids)
    step = max(1, len(rows) // _SAMPLE_PLAYS)
    sample = [
        history_features(views, row[None], row_of, context, prior, relevance, CONTEXT_SETTINGS)[0]
        for number, (row, context) in enumerate(zip(rows, contexts, strict=True))
        if number % step == 0 and context.recent_plays
    ]
    features = np.array(sample) if sample else np.zeros((1, len(HISTORY)))  # (n_sample, n_history)
    deviation = features.std(axis=0)
    sizes = [weights.get(name, weights["*"]) for name in HISTORY]
    return ContextEncoder(
        prior,
        relevance,
        features.mean(axis=0),
        np.where(deviation > 1e-6, deviation, 1.0),
        np.array(sizes),
        weights["situation"],
        CONTEXT_SETTINGS,
    )


def _relevance(
    audio: NDArray[np.float32], played_through: NDArray[np.bool_], listener_ids: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Returns how much each attribute's correlation with the outcome, listener by listener, exceeds chance.

    Under no taste at all, the number of plays times the squared correlation has the mean 1.
    """
    excess, n_listeners = np.zeros(audio.shape[1]), 0
    # Sorted once: a mask of all plays for each listener would cost their product.
    order = np.argsort(listener_ids, kind="stable")
    for mine in np.split(order, np.flatnonzero(np.diff(listener_ids[order])) + 1):
        outcome = played_through[mine] - played_through[mine].mean()
        if len(mine) < _FEWEST_PLAYS or not outcome.any():
            continue
        attributes = audio[mine] - audio[mine].mean(axis=0)
        variances = np.square(outcome).sum() * np.square(attributes).sum(axis=0)
        excess += len(mine) * np.square(outcome @ attributes) / np.maximum(variances, 1e-9)
        n_listeners += 1
    relevance = np.maximum(excess / max(n_listeners, 1) - 1, _LEAST_RELEVANCE)
    shares: NDArray[np.float64] = relevance / relevance.sum()
    return shares
