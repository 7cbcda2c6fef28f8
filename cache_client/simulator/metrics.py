"""From sessions' results to the figures that policies are compared by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from cache_client.prefetch.score import ScoreWeights
from cache_client.simulator.session import SessionResult

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class PolicyFigures:
    """How a policy did, over all sessions."""

    startup_delay_p50_ms: float  # median wait for sound of the plays that follow another in their session
    startup_delay_p95_ms: float
    first_play_delay_p50_ms: float  # of sessions' first plays, which nothing can be fetched ahead for
    stall_ms_per_hour: float  # silence after the start, per hour heard
    waited_s_per_play: float  # mean, first plays and stalls included
    hit_ratio: float  # share of the plays (first ones too) whose first chunk was cached when asked for
    byte_hit_ratio: float  # share of the bytes heard that were
    downloaded_bytes: int  # all bytes over the link
    wasted_bytes: int  # of those, the ones never heard
    wasted_ratio: float
    score: float  # mean of a session, see `ScoreWeights`
    score_ci95: Interval  # bootstrap over listeners


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two policies on the same sessions, as mean differences a session (`policy` minus `against`).

    Intervals are paired bootstraps over listeners: one listener's sessions are alike.
    """

    policy: str
    against: str
    score_difference: float
    score_difference_ci95: Interval
    wasted_bytes_difference: float
    wasted_bytes_difference_ci95: Interval


def figures(results: Sequence[SessionResult], weights: ScoreWeights) -> PolicyFigures:
    """Returns a policy's figures over at least one session."""
    following_s = [delay_s for result in results for delay_s in result.startup_delays_s[1:]]
    first_s = [result.startup_delays_s[0] for result in results]
    plays = sum(len(result.startup_delays_s) for result in results)
    heard_bytes = sum(result.heard_bytes for result in results)
    downloaded_bytes = sum(result.downloaded_bytes for result in results)
    wasted_bytes = sum(result.wasted_bytes for result in results)
    stall_s, heard_s = sum(r.stall_s for r in results), sum(r.heard_s for r in results)
    scores = session_scores(results, weights)
    return PolicyFigures(
        startup_delay_p50_ms=_percentile_ms(following_s, 50),
        startup_delay_p95_ms=_percentile_ms(following_s, 95),
        first_play_delay_p50_ms=_percentile_ms(first_s, 50),
        stall_ms_per_hour=_ratio(stall_s * 1000, heard_s / 3600),
        waited_s_per_play=_ratio(sum(result.waited_s for result in results), plays),
        hit_ratio=_ratio(sum(result.hits for result in results), plays),
        byte_hit_ratio=_ratio(sum(result.hit_bytes for result in results), heard_bytes),
        downloaded_bytes=round(downloaded_bytes),
        wasted_bytes=round(wasted_bytes),
        wasted_ratio=_ratio(wasted_bytes, downloaded_bytes),
        score=float(scores.mean()),
        score_ci95=mean_ci95(scores, listeners_of(results)),
    )


def compare(
    policy: str,
    against: str,
    results: Sequence[SessionResult],
    against_results: Sequence[SessionResult],
    weights: ScoreWeights,
) -> Comparison:
    """Returns the paired differences of two policies over the same sessions in the same order."""
    scores = session_scores(results, weights) - session_scores(against_results, weights)
    wasted = np.array(
        [a.wasted_bytes - b.wasted_bytes for a, b in zip(results, against_results, strict=True)]
    )
    listeners = listeners_of(results)
    return Comparison(
        policy,
        against,
        score_difference=float(scores.mean()),
        score_difference_ci95=mean_ci95(scores, listeners),
        wasted_bytes_difference=float(wasted.mean()),
        wasted_bytes_difference_ci95=mean_ci95(wasted, listeners),
    )


def session_scores(results: Sequence[SessionResult], weights: ScoreWeights) -> NDArray[np.float64]:
    """Returns each session's score, shape (n_sessions,)."""
    return np.array([weights.score(r.heard_s, r.waited_s, r.wasted_bytes) for r in results])


def listeners_of(results: Sequence[SessionResult]) -> list[str]:
    """Returns each session's listener."""
    return [result.listener_id for result in results]


def _percentile_ms(values_s: Sequence[float], percentile: float) -> float:
    # A simulated clock's rounding is below a nanosecond.
    return round(float(np.percentile(values_s, percentile)) * 1000, 6) if values_s else 0.0


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def mean_ci95(values: NDArray[np.float64], listeners: Sequence[str]) -> Interval:
    """Returns the interval of a mean over sessions, whole listeners drawn.

    Args:
        values: One a session, (n_sessions,).
        listeners: Whose session it is, in the same order.
    """
    _, of_listener = np.unique(np.array(listeners), return_inverse=True)
    sums = np.bincount(of_listener, weights=values).astype(np.float64)
    counts = np.bincount(of_listener).astype(np.float64)
    return bootstrap_ci95(
        (sums, counts), lambda sums, counts, axis: sums.sum(axis=axis) / counts.sum(axis=axis)
    )


def bootstrap_ci95(samples: tuple[NDArray[np.float64], ...], statistic: Callable[..., Any]) -> Interval:
    """Returns the percentile bootstrap interval of a statistic over listeners; one listener has no spread.

    Args:
        samples: One value a listener each, drawn together; (n_listeners,).
        statistic: Takes the samples and `axis`.
    """
    if len(samples[0]) < 2:
        alone = float(statistic(*samples, axis=-1))
        return alone, alone
    drawn = bootstrap(
        samples,
        statistic,
        paired=True,
        confidence_level=0.95,
        n_resamples=2_000,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)
