"""Fits what favourite genres tell of strangers: as much as helps listeners whom this fit left out, no more.

The log odds that it starts from are the network's, which has seen all of them, but not who they are.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from models.features.genre_taste import GenrePlaces, GenreTaste

# Plays' worth of evidence against a listener's leaning, and against affinity: with the first pair neither is
# heard. Every listener's plays tell of affinity, but of what makes listeners lean only their number does.
_PENALTIES = ((1e5, 1e5), (1e5, 100.0), (1e4, 100.0), (3e3, 100.0), (1e3, 100.0), (300.0, 100.0))
_N_FOLDS = 5
_FEWEST_LISTENERS = 10
_NO_PENALTY = 1e-3
# So many standard errors must a weaker penalty be better by: of six, one is always better by chance.
_CLEARLY = 2.0


@dataclass(frozen=True, eq=False)
class Strangers:
    """Plays as they look to a model that knows nothing of their listeners.

    Attributes:
        logits: Log odds of playing through so far, (n_plays,).
        played_through: What happened, (n_plays,).
        listener_of: Listener of each play, from 0, (n_plays,).
        listeners: Place of each listener's favourite genres, (n_listeners, n_axes).
        tracks: Place of each play's track, (n_plays, n_axes).
    """

    logits: NDArray[np.float64]
    played_through: NDArray[np.bool_]
    listener_of: NDArray[np.int64]
    listeners: NDArray[np.float64]
    tracks: NDArray[np.float32]


def fit_taste(places: GenrePlaces, strangers: Strangers, *, seed: int) -> GenreTaste:
    """Returns the taste that is most likely, under the penalty that is best for listeners left out.

    Args:
        places: Where genres are.
        strangers: What to learn from.
        seed: Seed of the choice of the listeners that are left out together.
    """
    near = strangers.listeners[strangers.listener_of] * strangers.tracks  # (n_plays, n_axes)
    words, sounds = near[:, : places.n_words].sum(axis=1), near[:, places.n_words :].sum(axis=1)
    # The constant takes up what the log odds are off by on the whole: that is no taste, and is not kept.
    constant = np.ones(len(near))
    inputs = np.column_stack((strangers.listeners[strangers.listener_of], words, sounds, constant))
    found = _fit(inputs, strangers.logits, strangers.played_through, _choose(inputs, strangers, seed))
    affinity = np.repeat(found[-3:-1], [places.n_words, places.n_axes - places.n_words])
    return GenreTaste(places, found[:-3], affinity)


def _choose(inputs: NDArray[np.float64], strangers: Strangers, seed: int) -> tuple[float, float]:
    """Returns the penalties that are best for listeners left out; the strongest unless others clearly are."""
    n_listeners = len(strangers.listeners)
    if n_listeners < _FEWEST_LISTENERS:
        return _PENALTIES[0]
    folds = np.random.default_rng(seed).permutation(np.arange(n_listeners) % _N_FOLDS)
    fold_of = folds[strangers.listener_of]
    losses = np.array([_losses_left_out(inputs, strangers, fold_of, each) for each in _PENALTIES])
    gains = losses[0] - losses  # (n_penalties, n_listeners)
    errors = gains.std(axis=1, ddof=1) / np.sqrt(n_listeners)
    clearly = gains.mean(axis=1) > _CLEARLY * errors
    return _PENALTIES[int(np.argmax(np.where(clearly, gains.mean(axis=1), 0.0)))]


def _losses_left_out(
    inputs: NDArray[np.float64],
    strangers: Strangers,
    fold_of: NDArray[np.int64],
    penalties: tuple[float, float],
) -> NDArray[np.float64]:
    """Returns the loss over each listener's plays by a fit that left it out, (n_listeners,)."""
    logits = strangers.logits.copy()
    for fold in np.unique(fold_of):
        kept = fold_of != fold
        found = _fit(inputs[kept], strangers.logits[kept], strangers.played_through[kept], penalties)
        logits[~kept] += inputs[~kept] @ found
    losses = np.logaddexp(0, np.where(strangers.played_through, -logits, logits))  # (n_plays,)
    return np.bincount(strangers.listener_of, weights=losses).astype(np.float64)


def _fit(
    inputs: NDArray[np.float64],
    offsets: NDArray[np.float64],
    played_through: NDArray[np.bool_],
    penalties: tuple[float, float],
) -> NDArray[np.float64]:
    """Returns the weights of a ridge logistic regression that starts from given log odds, (n_inputs,)."""
    of_leaning, of_affinity = penalties
    ridge = np.append(np.full(inputs.shape[1] - 3, of_leaning), [of_affinity, of_affinity, _NO_PENALTY])
    signs = np.where(played_through, -1.0, 1.0)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = offsets + inputs @ weights
        penalty = ridge * weights
        total = np.logaddexp(0, signs * logits).sum() + weights @ penalty / 2
        return float(total), inputs.T @ (expit(logits) - played_through) + penalty

    def curvature(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        rates = expit(offsets + inputs @ weights)
        found: NDArray[np.float64] = (inputs * (rates * (1 - rates))[:, None]).T @ inputs + np.diag(ridge)
        return found

    # A trust region, since Newton's bare steps run away where the log odds are far off.
    found = minimize(loss, np.zeros(inputs.shape[1]), jac=True, hess=curvature, method="trust-exact")
    weights: NDArray[np.float64] = found.x
    return weights
