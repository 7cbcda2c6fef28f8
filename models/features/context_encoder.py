"""What is known about a listener as a network's inputs: one code path for training and serving.

Every value is known before the play starts: it comes from the `ListenerContext` and the catalogue alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.context import ListenerContext
from models.features.history import (
    CONTEXT_SETTINGS,
    HISTORY,
    ContextSettings,
    Histories,
    history_features,
    history_of,
)
from models.features.track_views import TrackViews

SITUATION = ("premium", "advertisement_before", "position")
_FEWEST_PLAYS = 30
_LEAST_RELEVANCE = 0.05
# How many plays the features' means and deviations are taken from: enough for two digits of either.
_SAMPLE_PLAYS = 4000
# All of them at once would be laid out beside every recent play: hundreds of megabytes.
_PLAYS_AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class ContextEncoder:
    """Encodes a listener's context and candidate tracks as a network's inputs.

    The block is: whether any history is known, the features of `HISTORY`, then premium,
    advertisement before and position. Whatever is unknown is 0.

    Attributes:
        prior: Play-through rate of the training part, towards which a short history is shrunk.
        relevance: How much listeners differ in their taste for each audio attribute; sums to 1, (n_audio,).
        mean: Mean of every history feature over the training part, (n_history,).
        scale: Standard deviation of every history feature over the training part, (n_history,).
        weight: Size that a standardised history feature gets, (n_history,): what is larger is learnt sooner
            and penalised less.
        situation_weight: The same for the first and the last three inputs.
        settings: Constants of the features.
    """

    prior: float
    relevance: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weight: NDArray[np.float64]
    situation_weight: float
    settings: ContextSettings

    @property
    def n_inputs(self) -> int:
        """Returns the width of the block."""
        return 1 + len(self.mean) + len(SITUATION)

    def encode(
        self,
        tracks: TrackViews,
        candidates: NDArray[np.int64],
        row_of: Mapping[str, int],
        context: ListenerContext,
    ) -> NDArray[np.float32]:
        """Returns the block for each candidate, (n_candidates, n_inputs); finite whatever the context.

        Args:
            tracks: Views of the catalogue's tracks.
            candidates: Rows of the tracks that may play next, (n_candidates,).
            row_of: Row of each track of the catalogue; recent plays of other tracks count for the rates only.
            context: What is known about the listener.
        """
        situation = situation_of(context)[None, :]
        block = self.encode_many(tracks, candidates[None, :], history_of(context, row_of), situation)
        return block[0]  # type: ignore[no-any-return]

    def encode_many(
        self,
        tracks: TrackViews,
        candidates: NDArray[np.int64],
        histories: Histories,
        situations: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        """Returns the blocks of several listeners' candidates, (n_listeners, n_candidates, n_inputs).

        Args:
            tracks: Views of the catalogue's tracks.
            candidates: Rows of the tracks that may play next, (n_listeners, n_candidates).
            histories: What each listener played before.
            situations: Of each listener, as `situation_of` returns it, (n_listeners, 3).
        """
        block = np.zeros((*candidates.shape, self.n_inputs), dtype=np.float32)
        block[..., -len(SITUATION) :] = self.situation_weight * self._centred(situations)[:, None, :]
        known = np.flatnonzero(histories.n_plays)
        if len(known):
            block[known, :, 0] = self.situation_weight
            some = histories if len(known) == len(histories) else histories.part(known)
            raw = history_features(tracks, candidates[known], some, self.prior, self.relevance, self.settings)
            bounded = np.clip((raw - self.mean) / self.scale, -self.settings.bound, self.settings.bound)
            block[known, :, 1 : -len(SITUATION)] = bounded * self.weight
        return block

    def genre_share(self, n_plays: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns what favourite genres still count for beside so many recent plays, in (0, 1].

        From favourite genres a network reads how that very listener was on average in training; from recent
        plays, how the listener is now.
        """
        worth = self.settings.genres_worth_plays
        share: NDArray[np.float64] = worth / (worth + np.minimum(n_plays, self.settings.recent_plays))
        return share

    def _centred(self, situations: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns premium, advertisement before and position, each about -0.5 to 0.5, 0 where unknown."""
        scaled = situations / (1.0, 1.0, self.settings.position_scale)
        centred = np.minimum(scaled, self.settings.bound) - self.settings.situation_centre
        return np.where(np.isnan(centred), 0.0, centred)


def situation_of(context: ListenerContext) -> NDArray[np.float64]:
    """Returns premium, advertisement before and position of a context, NaN where unknown, (3,)."""
    known = (context.premium, context.advertisement_before, context.position)
    return np.array([np.nan if value is None else float(value) for value in known])


def fit_context(
    views: TrackViews,
    rows: NDArray[np.int64],
    played_through: NDArray[np.bool_],
    listener_ids: NDArray[np.int64],
    histories: Callable[[NDArray[np.int64]], Histories],
    weights: Mapping[str, float],
) -> ContextEncoder:
    """Fits the encoder.

    Args:
        views: Views of the catalogue's tracks.
        rows: Row of each play's track, (n_plays,).
        played_through: What became of each play, (n_plays,).
        listener_ids: Listener of each play, (n_plays,).
        histories: Returns what the listeners of some plays had played before, given the plays' positions.
        weights: Size of the features by name; `situation` stands for the inputs that are no history, `*` for
            the features that are not named.
    """
    prior = float(np.clip(played_through.mean(), 0.01, 0.99))
    relevance = _relevance(views.audio[rows], played_through, listener_ids)
    sample = np.arange(0, len(rows), max(1, len(rows) // _SAMPLE_PLAYS))
    parts = [np.zeros((0, len(HISTORY)), dtype=np.float32)]
    for some in np.array_split(sample, -(-len(sample) // _PLAYS_AT_ONCE)):
        known, asked = histories(some), rows[some][:, None]
        found = history_features(views, asked, known, prior, relevance, CONTEXT_SETTINGS)[:, 0]
        parts.append(found[known.n_plays > 0])
    features = np.concatenate(parts).astype(np.float64)  # (n_sample, n_history)
    if not len(features):
        features = np.zeros((1, len(HISTORY)))
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
