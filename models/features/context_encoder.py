"""What is known about a listener as a network's inputs: one code path for training and serving.

Every value is known before the play starts: it comes from the `ListenerContext` and the catalogue alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.context import ListenerContext
from models.features.history import CONTEXT_SETTINGS, HISTORY, ContextSettings, history_features
from models.features.track_views import TrackViews

SITUATION = ("premium", "advertisement_before", "position")
_FEWEST_PLAYS = 30
_LEAST_RELEVANCE = 0.05
# How many plays the features' means and deviations are taken from: enough for two digits of either.
_SAMPLE_PLAYS = 4000


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
        block = np.zeros((len(candidates), self.n_inputs), dtype=np.float32)
        block[:, -len(SITUATION) :] = self.situation_weight * self._situation(context)
        if context.recent_plays:
            block[:, 0] = self.situation_weight
            raw = history_features(
                tracks, candidates, row_of, context, self.prior, self.relevance, self.settings
            )
            bounded = np.clip((raw - self.mean) / self.scale, -self.settings.bound, self.settings.bound)
            block[:, 1 : -len(SITUATION)] = bounded * self.weight
        return block

    def genre_share(self, context: ListenerContext) -> float:
        """Returns what a listener's favourite genres still count for beside the recent plays, in (0, 1].

        From favourite genres a network reads how that very listener was on average in training; from recent
        plays, how the listener is now.
        """
        n_plays = len(context.recent_plays[-self.settings.recent_plays :])
        return self.settings.genres_worth_plays / (self.settings.genres_worth_plays + n_plays)

    def _situation(self, context: ListenerContext) -> NDArray[np.float64]:
        """Returns premium, advertisement before and position, each about -0.5 to 0.5, 0 where unknown."""
        position: float | None = None
        if context.position is not None:
            position = min(context.position / self.settings.position_scale, self.settings.bound)
        known = (context.premium, context.advertisement_before, position)
        centre = self.settings.situation_centre
        return np.array([0.0 if value is None else float(value) - centre for value in known])


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
