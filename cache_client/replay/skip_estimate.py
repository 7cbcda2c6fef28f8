"""Which rankings within a session put its skips last, estimated from what listeners did without a ranking."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cache_client.replay.rankings import RANKINGS, Scores, model_scores
from cache_client.rpc.client import PredictionClient
from cache_client.simulator import RecordedSession
from cache_client.simulator.concurrency import map_concurrently
from cache_client.simulator.metrics import Interval, bootstrap_ci95

Floats = NDArray[np.float64]

MODEL = "model"
"""The ranking by the server's predictions."""


@dataclass(frozen=True, slots=True)
class RankingFigures:
    """What remains when the lower half of each session's queue is dropped, ranked within the session.

    Intervals are bootstraps over listeners.
    """

    skip_rate: float  # skips a play of what remains
    reduction: float  # relative to any half of the session: 1 - skip_rate / the estimate's
    reduction_ci95: Interval
    skips_per_minute: float  # skips a minute heard of what remains
    reduction_per_minute: float
    reduction_per_minute_ci95: Interval
    model_lead: float  # reduction of the model's ranking minus this one's
    model_lead_ci95: Interval


@dataclass(frozen=True, slots=True)
class SkipEstimate:
    """Rankings of the same sessions, by the same estimator."""

    sessions: int  # of two tracks or more, which have an upper half
    listeners: int
    skip_rate: float  # share skipped that any half of the sessions' tracks has in expectation
    skips_per_minute: float
    rankings: dict[str, RankingFigures]  # by name, see `RANKINGS`; first `MODEL`


async def estimate_skips(
    client: PredictionClient,
    sessions: Sequence[RecordedSession],
    *,
    model: str = "",
    concurrency: int = 16,
    advance: Callable[[int], None] = lambda sessions: None,
) -> SkipEstimate | None:
    """Ranks each session's recorded tracks as known when it began, and looks at the skips of the upper half.

    Assumes that a listener treats a track alike wherever in the session it stands, and that leaving tracks
    out does not change how the others are taken. Tracks that were never offered are not judged.

    Args:
        client: The prediction server.
        sessions: Held-out sessions.
        model: The model to ask; empty for the default one.
        concurrency: How many calls may be under way at once.
        advance: Called after each session, for a progress bar.

    Returns:
        None when no session has two tracks, or nothing was skipped.

    Raises:
        ServerError: A call failed.
    """
    scores = await map_concurrently(
        lambda session: model_scores(client, session, model), sessions, concurrency, advance
    )
    return compare_rankings(sessions, scores)


def compare_rankings(sessions: Sequence[RecordedSession], scores: Sequence[Scores]) -> SkipEstimate | None:
    """Returns how a model's ranking compares with the others'.

    Args:
        sessions: Held-out sessions.
        scores: The model's, of each session's plays, higher for what is to be kept.

    Returns:
        None when no session has two tracks, or nothing was skipped.
    """
    judged = [(session, found) for session, found in zip(sessions, scores, strict=True) if len(found) > 1]
    expected = _by_listener([(session, _kept(session, [0.0] * len(found))) for session, found in judged])
    if not expected[0].sum() > 0:
        return None
    kept = {MODEL: _by_listener([(session, _kept(session, found)) for session, found in judged])}
    for name, ranking in RANKINGS.items():
        kept[name] = _by_listener([(session, _kept(session, ranking(session))) for session, _ in judged])
    skips, minutes = expected.sum(axis=1)
    halves = sum(len(found) // 2 for _, found in judged)
    return SkipEstimate(
        sessions=len(judged),
        listeners=expected.shape[1],
        skip_rate=float(skips / halves),
        skips_per_minute=float(_share(skips, minutes)),
        rankings={name: _figures(it, kept[MODEL], expected, halves) for name, it in kept.items()},
    )


def _kept(session: RecordedSession, scores: Scores) -> tuple[float, float]:
    """Returns the skips and minutes heard of the upper half of a session; equal scores share their places."""
    alike: dict[float, list[tuple[float, float]]] = defaultdict(list)
    for score, play in zip(scores, session.plays, strict=True):
        alike[score].append((float(play.skipped), play.listened_s / 60))
    left, total = len(session.plays) // 2, np.zeros(2)
    for score in sorted(alike, reverse=True):
        taken = min(left, len(alike[score]))
        total += taken * np.mean(alike[score], axis=0)
        left -= taken
    return float(total[0]), float(total[1])


def _by_listener(counted: Sequence[tuple[RecordedSession, tuple[float, float]]]) -> Floats:
    """Returns skips and minutes heard by listener, (2, n_listeners)."""
    found: dict[str, Floats] = defaultdict(lambda: np.zeros(2))
    for session, skips_and_minutes in counted:
        found[session.listener_id] += skips_and_minutes
    return np.array(list(found.values())).reshape(-1, 2).T


def _figures(kept: Floats, model: Floats, expected: Floats, halves: int) -> RankingFigures:
    def fall(kept: Floats, expected: Floats, axis: int = -1) -> Floats:
        return 1.0 - _share(kept.sum(axis=axis), expected.sum(axis=axis), otherwise=1.0)

    def fall_per_minute(
        skips: Floats, minutes: Floats, expected_skips: Floats, expected_minutes: Floats, axis: int = -1
    ) -> Floats:
        rate = _share(skips.sum(axis=axis), minutes.sum(axis=axis))
        expected = _share(expected_skips.sum(axis=axis), expected_minutes.sum(axis=axis))
        return 1.0 - _share(rate, expected, otherwise=1.0)

    def lead(kept: Floats, model: Floats, expected: Floats, axis: int = -1) -> Floats:
        return fall(model, expected, axis) - fall(kept, expected, axis)

    skips, minutes = kept.sum(axis=1)
    return RankingFigures(
        skip_rate=float(skips / halves),
        reduction=float(fall(kept[0], expected[0])),
        reduction_ci95=bootstrap_ci95((kept[0], expected[0]), fall),
        skips_per_minute=float(_share(skips, minutes)),
        reduction_per_minute=float(fall_per_minute(*kept, *expected)),
        reduction_per_minute_ci95=bootstrap_ci95((*kept, *expected), fall_per_minute),
        model_lead=float(lead(kept[0], model[0], expected[0])),
        model_lead_ci95=bootstrap_ci95((kept[0], model[0], expected[0]), lead),
    )


def _share(part: Floats, whole: Floats, otherwise: float = 0.0) -> Floats:
    """Returns the ratio; a draw of listeners without a skip, or without a minute, has nothing to compare."""
    found: Floats = np.divide(part, whole, out=np.full(np.shape(whole), otherwise), where=whole > 0)
    return found
