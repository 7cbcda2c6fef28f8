"""What is known about a listener as a network's inputs: one code path for training and serving.

Every value is known before the play starts: it comes from the `ListenerContext` and the catalogue alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.context import ListenerContext
from models.features.history import ContextSettings, TrackViews, history_features

SITUATION = ("premium", "advertisement_before", "position")


@dataclass(frozen=True, eq=False)
class ContextEncoder:
    """Turns a listener's context and candidate tracks into a network's inputs.

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

        Favourite genres all but name the listener, and a network reads from them how that listener was on
        average in training. Recent plays tell how the listener is now: the more there are, the less that
        average counts.
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
