"""What the ended plays of a listener say about a track that may play next."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.context import ListenerContext
from models.features.track_views import TrackViews

MAX_RECENT_PLAYS = 200
"""How many of a listener's latest plays the features read."""


@dataclass(frozen=True)
class ContextSettings:
    """The constants of the context's features: a model is served with those it was trained with.

    Attributes:
        recent_plays: How many of the recent plays count, the latest ones.
        latest_plays: How many of them tell how the listener is just now.
        rate_prior_plays: Plays at the prior rate that a rate is shrunk by.
        genres_worth_plays: As many recent plays as weigh as much as the favourite genres in telling who
            listens.
        squared_bandwidths: Of the kernels over standardised audio, from "almost the same track" to "this
            kind".
        near_prior_plays: Plays without a leaning that a kernel's mean outcome is shrunk by.
        genre_prior_plays: The same for plays of a genre.
        track_prior_plays: The same for plays of a track.
        ridge: Penalty of the linear model of outcomes.
        bound: A standardised feature lies within plus and minus this.
        situation_centre: What is taken from premium, advertisement before and position.
        position_scale: Plays of a session that count as 1.
    """

    recent_plays: int
    latest_plays: int
    rate_prior_plays: float
    genres_worth_plays: float
    squared_bandwidths: tuple[float, float, float]
    near_prior_plays: float
    genre_prior_plays: float
    track_prior_plays: float
    ridge: float
    bound: float
    situation_centre: float
    position_scale: float


# Without defaults in the class: an artifact that lacks a constant is refused, not served with today's.
CONTEXT_SETTINGS = ContextSettings(
    recent_plays=MAX_RECENT_PLAYS,
    latest_plays=20,
    rate_prior_plays=4.0,
    genres_worth_plays=100.0,
    squared_bandwidths=(0.1, 0.3, 1.0),
    near_prior_plays=1.0,
    genre_prior_plays=3.0,
    track_prior_plays=2.0,
    ridge=10.0,
    bound=3.0,
    situation_centre=0.5,
    position_scale=20.0,
)
"""What models are trained with from now on."""

HISTORY = (
    "rate", "latest_rate", "n_plays",
    *(f"outcome_within_{bandwidth:g}" for bandwidth in CONTEXT_SETTINGS.squared_bandwidths),
    "outcome_linear", "outcome_of_genre", "outcome_of_track",
)  # fmt: skip
"""The history features in order: the listener's rates, then how recent plays like the candidate ended (by
audio at three bandwidths, by a linear model, by shared genres, of the same track)."""


@dataclass(frozen=True, eq=False)
class Histories:
    """Ended plays of some listeners, one row a listener, newest last; shorter ones are padded at the front.

    Attributes:
        rows: Row of each play's track in the catalogue, (n_listeners, n_recent); -1 where the catalogue lacks
            it, and in the padding.
        played_through: What became of each play, 1 or 0, (n_listeners, n_recent) float32; 0 in the padding.
        n_plays: How many plays of each row are none of the padding, (n_listeners,).
    """

    rows: NDArray[np.int64]
    played_through: NDArray[np.float32]
    n_plays: NDArray[np.int64]

    def __len__(self) -> int:
        """Returns the number of listeners."""
        return len(self.rows)

    def part(self, listeners: NDArray[np.int64]) -> "Histories":
        """Returns the histories of some listeners, given their positions."""
        return Histories(self.rows[listeners], self.played_through[listeners], self.n_plays[listeners])

    def latest(self, n_plays: int | NDArray[np.int64]) -> "Histories":
        """Returns the histories cut down to at most so many plays, the latest ones."""
        if self.rows.shape[1] == self.n_plays.max(initial=0) and (self.n_plays <= n_plays).all():
            return self  # as most are that a server is sent
        kept = np.minimum(self.n_plays, n_plays)  # (n_listeners,)
        width = int(kept.max(initial=0))
        first = self.rows.shape[1] - width
        padding = np.arange(width) < width - kept[:, None]
        rows = np.where(padding, -1, self.rows[:, first:])
        return Histories(rows, np.where(padding, np.float32(0), self.played_through[:, first:]), kept)


def history_of(context: ListenerContext, row_of: Mapping[str, int]) -> Histories:
    """Returns the plays of one listener, as one row."""
    recent = context.recent_plays
    rows = np.array([[row_of.get(play.track_id, -1) for play in recent]], dtype=np.int64)
    played_through = np.array([[not play.skipped for play in recent]], dtype=np.float32)
    return Histories(rows, played_through, np.array([len(recent)]))


def history_features(
    tracks: TrackViews,
    candidates: NDArray[np.int64],
    histories: Histories,
    prior: float,
    relevance: NDArray[np.float64],
    settings: ContextSettings,
) -> NDArray[np.float32]:
    """Returns the history features before standardisation, (n_listeners, n_candidates, n_history).

    "Outcome" is played through (1) or skipped (0) less the listener's own rate, and every mean of outcomes is
    shrunk towards 0 as if some plays without a leaning had been seen as well.

    Args:
        tracks: Views of the catalogue's tracks.
        candidates: Rows of the tracks that may play next, (n_listeners, n_candidates).
        histories: What each listener played before.
        prior: Play-through rate of the training part.
        relevance: Of each audio attribute, (n_audio,).
        settings: Constants of the features.
    """
    recent = histories.latest(settings.recent_plays)
    rates, latest_rates = _rates(recent, prior, settings)  # (n_listeners,)
    known = recent.rows >= 0  # (n_listeners, n_recent)
    outcomes = np.where(known, recent.played_through - rates[:, None], 0).astype(np.float32)
    rows = np.where(known, recent.rows, 0)
    of_listener = (_logit(rates), _logit(latest_rates) - _logit(rates), np.log1p(recent.n_plays))
    features = np.empty((*candidates.shape, len(HISTORY)), dtype=np.float32)
    features[..., : len(of_listener)] = np.column_stack(of_listener)[:, None, :]
    near = features[..., len(of_listener) : -2]
    _fill_outcomes_near(near, tracks, candidates, rows, outcomes, known, relevance, settings)
    alike = tracks.share_genre(candidates, rows) & known[:, None, :]  # (n_listeners, n_candidates, n_recent)
    features[..., -2] = _mean_outcome(alike, outcomes, settings.genre_prior_plays)
    alike = (candidates[:, :, None] == rows[:, None, :]) & known[:, None, :]
    features[..., -1] = _mean_outcome(alike, outcomes, settings.track_prior_plays)
    return features


def _rates(
    recent: Histories, prior: float, settings: ContextSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns how often listeners play through, of all recent plays and of the latest, (n_listeners,)."""
    n_prior = settings.rate_prior_plays
    played_through = recent.played_through.astype(np.float64)
    rates = (played_through.sum(axis=1) + n_prior * prior) / (recent.n_plays + n_prior)
    latest = played_through[:, -settings.latest_plays :].sum(axis=1)
    n_latest = np.minimum(recent.n_plays, settings.latest_plays)
    return rates, (latest + n_prior * rates) / (n_latest + n_prior)


def _fill_outcomes_near(
    features: NDArray[np.float32],
    tracks: TrackViews,
    candidates: NDArray[np.int64],
    rows: NDArray[np.int64],
    outcomes: NDArray[np.float32],
    known: NDArray[np.bool_],
    relevance: NDArray[np.float64],
    settings: ContextSettings,
) -> None:
    """Fills in the outcomes' kernel mean at each bandwidth and a ridge regression's, in that order."""
    stretch = np.sqrt(relevance).astype(np.float32)
    points = tracks.audio[candidates] * stretch  # (n_listeners, n_candidates, n_audio)
    centres = tracks.audio[rows] * stretch * known[:, :, None]  # (n_listeners, n_recent, n_audio)
    # |a - b|² = |a|² + |b|² - 2ab: one matrix product instead of n_candidates x n_recent x n_audio numbers.
    distances = points @ centres.transpose(0, 2, 1)  # (n_listeners, n_candidates, n_recent)
    distances *= -2
    distances += np.square(points).sum(axis=2)[:, :, None]
    distances += np.square(centres).sum(axis=2)[:, None, :]
    weighted = np.stack((outcomes, known.astype(np.float32)), axis=2)  # (n_listeners, n_recent, 2)
    for number, bandwidth in enumerate(settings.squared_bandwidths):
        sums = np.exp(distances * np.float32(-0.5 / bandwidth)) @ weighted
        features[..., number] = sums[..., 0] / (sums[..., 1] + np.float32(settings.near_prior_plays))
    gram = centres.transpose(0, 2, 1) @ centres
    gram += np.float32(settings.ridge) * np.eye(len(stretch), dtype=np.float32)
    taste = np.linalg.solve(gram, centres.transpose(0, 2, 1) @ outcomes[:, :, None])
    features[..., -1] = (points @ taste)[..., 0]


def _mean_outcome(
    alike: NDArray[np.bool_], outcomes: NDArray[np.float32], n_prior: float
) -> NDArray[np.float32]:
    """Returns the mean outcome of the plays that are `alike`, (n_listeners, n_candidates, n_recent)."""
    total = (alike.astype(np.float32) @ outcomes[:, :, None])[..., 0]
    mean: NDArray[np.float32] = total / (alike.sum(axis=2, dtype=np.float32) + np.float32(n_prior))
    return mean


def _logit(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    logits: NDArray[np.float64] = np.log(probability / (1 - probability))
    return logits
