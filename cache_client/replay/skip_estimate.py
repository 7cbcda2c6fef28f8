"""What following the ranking would do to the skip rate, estimated from what listeners did without it."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cache_client.rpc.client import PredictionClient
from cache_client.simulator import RecordedSession
from cache_client.simulator.concurrency import map_concurrently
from cache_client.simulator.metrics import Interval, bootstrap_ci95
from playthrough.v1.limits import MAX_TRACK_IDS


@dataclass(frozen=True, slots=True)
class OffPolicyEstimate:
    """Skips among the tracks ranked in the upper half, against the recorded order."""

    sessions: int  # of two tracks or more, which have an upper half
    recorded_skip_rate: float  # share skipped that any half of their tracks has in expectation
    ranked_skip_rate: float  # share skipped in the upper half
    reduction: float  # 1 - ranked / recorded: the relative fall of the skip rate
    reduction_ci95: Interval  # bootstrap over sessions


async def estimate_skips(
    client: PredictionClient,
    sessions: Sequence[RecordedSession],
    *,
    model: str = "",
    concurrency: int = 16,
    advance: Callable[[int], None] = lambda sessions: None,
) -> OffPolicyEstimate | None:
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
    found = await map_concurrently(
        lambda session: _upper_half(client, session, model), sessions, concurrency, advance
    )
    counts = np.array([it for it in found if it[2] > 0])  # (n_sessions, 3)
    return _estimate(counts) if len(counts) and counts[:, 1].sum() > 0 else None


async def _upper_half(
    client: PredictionClient, session: RecordedSession, model: str
) -> tuple[float, float, int]:
    """Returns skips in the ranked upper half, those expected of any half, and how many tracks it has."""
    half = len(session.plays) // 2
    if half == 0:
        return 0.0, 0.0, 0
    track_ids = list(dict.fromkeys(play.track.track_id for play in session.plays))[:MAX_TRACK_IDS]
    ranking = await client.rank_tracks(
        track_ids, session.favourite_genres, model=model, context=session.contexts[0]
    )
    probability_of = {track.track_id: track.play_through_probability for track in ranking.tracks}
    ranked = [(probability_of.get(play.track.track_id, 0.0), play.skipped) for play in session.plays]
    expected = half * sum(skipped for _, skipped in ranked) / len(ranked)
    return _skips_among_best(ranked, half), expected, half


def _skips_among_best(ranked: Sequence[tuple[float, bool]], n: int) -> float:
    """Returns the skips among the n likeliest of (probability, skipped); equals share their places."""
    by_probability: dict[float, list[bool]] = defaultdict(list)
    for probability, skipped in ranked:
        by_probability[probability].append(skipped)
    skips = 0.0
    for probability in sorted(by_probability, reverse=True):
        alike = by_probability[probability]
        taken = min(n, len(alike))
        skips += taken * sum(alike) / len(alike)
        n -= taken
    return skips


def _estimate(counts: NDArray[np.float64]) -> OffPolicyEstimate:
    ranked, recorded, halves = counts.sum(axis=0)

    def reduction(
        ranked: NDArray[np.float64], recorded: NDArray[np.float64], axis: int = -1
    ) -> NDArray[np.float64]:
        total: NDArray[np.float64] = recorded.sum(axis=axis)
        # A draw of sessions without a skip has nothing to reduce.
        share = np.divide(ranked.sum(axis=axis), total, out=np.ones_like(total), where=total > 0)
        fall: NDArray[np.float64] = 1.0 - share
        return fall

    return OffPolicyEstimate(
        sessions=len(counts),
        recorded_skip_rate=float(recorded / halves),
        ranked_skip_rate=float(ranked / halves),
        reduction=float(1.0 - ranked / recorded),
        reduction_ci95=bootstrap_ci95((counts[:, 0], counts[:, 1]), reduction),
    )
