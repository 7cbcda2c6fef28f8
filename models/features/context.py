"""What a listener's recent plays say about a track: one code path for training and serving.

Every value is known before the play starts: it comes from the `ListenerContext` and the catalogue alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.context import ListenerContext

MAX_RECENT_PLAYS = 200
SITUATION = ("premium", "advertisement_before", "position")
_RATE_PRIOR_PLAYS = 4.0
_LATEST_PLAYS = 20
# As many recent plays as weigh as much as the favourite genres in telling who listens.
_GENRES_WORTH_PLAYS = 100.0
# Squared bandwidths of the kernels over standardised audio, from "almost the same track" to "this kind".
_SQUARED_BANDWIDTHS = (0.1, 0.3, 1.0)
HISTORY = (
    "rate", "latest_rate", "n_plays",
    *(f"outcome_within_{bandwidth:g}" for bandwidth in _SQUARED_BANDWIDTHS),
    "outcome_linear", "outcome_of_genre", "outcome_of_track",
)  # fmt: skip
"""The history features in order: the listener's rates, then how recent plays like the candidate ended (by
audio at three bandwidths, by a linear model, by shared genres, of the same track)."""

_RIDGE = 10.0
_BOUND = 3.0
_SITUATION_CENTRES = (0.5, 0.5, 0.5)
_POSITION_SCALE = 20.0


@dataclass(frozen=True, eq=False)
class TrackViews:
    """What the context features need of tracks, one row a track.

    Attributes:
        audio: Audio attributes, standardised, 0 where unknown, (n_tracks, n_audio) float32.
        clusters: 1 where the artist has a genre of the cluster, else 0, (n_tracks, n_clusters) float32.
    """

    audio: NDArray[np.float32]
    clusters: NDArray[np.float32]


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
    """

    prior: float
    relevance: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weight: NDArray[np.float64]
    situation_weight: float

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
        block[:, -len(SITUATION) :] = self.situation_weight * _situation(context)
        if context.recent_plays:
            block[:, 0] = self.situation_weight
            raw = history_features(tracks, candidates, row_of, context, self.prior, self.relevance)
            bounded = np.clip((raw - self.mean) / self.scale, -_BOUND, _BOUND)
            block[:, 1 : -len(SITUATION)] = bounded * self.weight
        return block


def genre_share(context: ListenerContext | None) -> float:
    """Returns what a listener's favourite genres still count for beside the recent plays, in (0, 1].

    Favourite genres all but name the listener, and a network reads from them how that listener was on average
    in training. Recent plays tell how the listener is now: the more there are, the less that average counts.
    """
    n_plays = 0 if context is None else len(context.recent_plays[-MAX_RECENT_PLAYS:])
    return _GENRES_WORTH_PLAYS / (_GENRES_WORTH_PLAYS + n_plays)


def history_features(
    tracks: TrackViews,
    candidates: NDArray[np.int64],
    row_of: Mapping[str, int],
    context: ListenerContext,
    prior: float,
    relevance: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Returns the history features before standardisation, (n_candidates, n_history).

    "Outcome" is played through (1) or skipped (0) less the listener's own rate, and every mean of outcomes is
    shrunk towards 0 as if some plays without a leaning had been seen as well.
    """
    recent = context.recent_plays[-MAX_RECENT_PLAYS:]
    played_through = np.array([not play.skipped for play in recent], dtype=np.float64)
    rate = (played_through.sum() + _RATE_PRIOR_PLAYS * prior) / (len(recent) + _RATE_PRIOR_PLAYS)
    latest = played_through[-_LATEST_PLAYS:]
    latest_rate = (latest.sum() + _RATE_PRIOR_PLAYS * rate) / (len(latest) + _RATE_PRIOR_PLAYS)
    rows = np.array([row_of.get(play.track_id, -1) for play in recent], dtype=np.int64)
    outcomes, rows = (played_through - rate)[rows >= 0].astype(np.float32), rows[rows >= 0]
    audio = tracks.audio[rows]  # (n_recent, n_audio)
    columns = [
        _logit(rate), _logit(latest_rate) - _logit(rate), np.log1p(len(recent)),
        *_outcomes_near(tracks.audio[candidates], audio, outcomes, relevance),
        _outcome_of_genre(tracks.clusters[candidates], tracks.clusters[rows], outcomes),
        _outcome_of_track(candidates, rows, outcomes),
    ]  # fmt: skip
    features = np.empty((len(candidates), len(columns)))
    for number, column in enumerate(columns):
        features[:, number] = column
    return features


def _outcomes_near(
    candidates: NDArray[np.float32],
    recent: NDArray[np.float32],
    outcomes: NDArray[np.float32],
    relevance: NDArray[np.float64],
) -> list[NDArray[np.float32]]:
    """Returns the outcomes' kernel mean at each bandwidth and a ridge regression's, each (n_candidates,)."""
    stretch = np.sqrt(relevance).astype(np.float32)
    points, centres = candidates * stretch, recent * stretch
    # |a - b|² = |a|² + |b|² - 2ab: one matrix product instead of n_candidates x n_recent x n_audio numbers.
    distances = (
        np.square(points).sum(axis=1)[:, None] + np.square(centres).sum(axis=1) - 2 * points @ centres.T
    )
    columns: list[NDArray[np.float32]] = []
    for bandwidth in _SQUARED_BANDWIDTHS:
        weights = np.exp(distances * np.float32(-0.5 / bandwidth))  # (n_candidates, n_recent)
        columns.append(weights @ outcomes / (weights.sum(axis=1) + 1))
    gram = centres.T @ centres + np.float32(_RIDGE) * np.eye(len(stretch), dtype=np.float32)
    columns.append(points @ np.linalg.solve(gram, centres.T @ outcomes))
    return columns


def _outcome_of_genre(
    candidates: NDArray[np.float32], recent: NDArray[np.float32], outcomes: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Returns the mean outcome of the recent plays that share a genre cluster, (n_candidates,)."""
    shares = candidates @ recent.T > 0  # (n_candidates, n_recent)
    mean: NDArray[np.float32] = shares @ outcomes / (shares.sum(axis=1) + 3)
    return mean


def _outcome_of_track(
    candidates: NDArray[np.int64], recent: NDArray[np.int64], outcomes: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Returns the mean outcome of the recent plays of the very track, (n_candidates,)."""
    same = candidates[:, None] == recent
    mean: NDArray[np.float32] = same @ outcomes / (same.sum(axis=1) + 2)
    return mean


def _situation(context: ListenerContext) -> NDArray[np.float64]:
    """Returns premium, advertisement before and position, each about -0.5 to 0.5, 0 where unknown."""
    position = None if context.position is None else min(context.position / _POSITION_SCALE, _BOUND)
    known = (context.premium, context.advertisement_before, position)
    pairs = zip(known, _SITUATION_CENTRES, strict=True)
    return np.array([0.0 if value is None else float(value) - centre for value, centre in pairs])


def _logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))
