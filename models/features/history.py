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


def history_features(
    tracks: TrackViews,
    candidates: NDArray[np.int64],
    row_of: Mapping[str, int],
    context: ListenerContext,
    prior: float,
    relevance: NDArray[np.float64],
    settings: ContextSettings,
) -> NDArray[np.float64]:
    """Returns the history features before standardisation, (n_candidates, n_history).

    "Outcome" is played through (1) or skipped (0) less the listener's own rate, and every mean of outcomes is
    shrunk towards 0 as if some plays without a leaning had been seen as well.
    """
    recent = context.recent_plays[-settings.recent_plays :]
    n_prior = settings.rate_prior_plays
    played_through = np.array([not play.skipped for play in recent], dtype=np.float64)
    rate = (played_through.sum() + n_prior * prior) / (len(recent) + n_prior)
    latest = played_through[-settings.latest_plays :]
    latest_rate = (latest.sum() + n_prior * rate) / (len(latest) + n_prior)
    rows = np.array([row_of.get(play.track_id, -1) for play in recent], dtype=np.int64)
    outcomes, rows = (played_through - rate)[rows >= 0].astype(np.float32), rows[rows >= 0]
    audio = tracks.audio[rows]  # (n_recent, n_audio)
    same_genre = tracks.clusters[candidates] @ tracks.clusters[rows].T > 0  # (n_candidates, n_recent)
    columns = [
        _logit(rate), _logit(latest_rate) - _logit(rate), np.log1p(len(recent)),
        *_outcomes_near(tracks.audio[candidates], audio, outcomes, relevance, settings),
        _mean_outcome(same_genre, outcomes, settings.genre_prior_plays),
        _mean_outcome(candidates[:, None] == rows, outcomes, settings.track_prior_plays),
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
    settings: ContextSettings,
) -> list[NDArray[np.float32]]:
    """Returns the outcomes' kernel mean at each bandwidth and a ridge regression's, each (n_candidates,)."""
    stretch = np.sqrt(relevance).astype(np.float32)
    points, centres = candidates * stretch, recent * stretch
    # |a - b|² = |a|² + |b|² - 2ab: one matrix product instead of n_candidates x n_recent x n_audio numbers.
    distances = (
        np.square(points).sum(axis=1)[:, None] + np.square(centres).sum(axis=1) - 2 * points @ centres.T
    )
    columns: list[NDArray[np.float32]] = []
    for bandwidth in settings.squared_bandwidths:
        weights = np.exp(distances * np.float32(-0.5 / bandwidth))  # (n_candidates, n_recent)
        columns.append(weights @ outcomes / (weights.sum(axis=1) + np.float32(settings.near_prior_plays)))
    gram = centres.T @ centres + np.float32(settings.ridge) * np.eye(len(stretch), dtype=np.float32)
    columns.append(points @ np.linalg.solve(gram, centres.T @ outcomes))
    return columns


def _mean_outcome(
    alike: NDArray[np.bool_], outcomes: NDArray[np.float32], n_prior: float
) -> NDArray[np.float32]:
    """Returns the mean outcome of the plays that are `alike`, (n_candidates, n_recent), by candidate."""
    mean: NDArray[np.float32] = alike @ outcomes / (alike.sum(axis=1) + n_prior)
    return mean


def _logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))
