"""Recorded plays as live traffic: predict each before it starts, then report what happened."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from cache_client.rpc.client import PredictionClient
from cache_client.rpc.errors import NotFoundError
from cache_client.rpc.messages import ListenerContext
from cache_client.simulator.concurrency import map_concurrently
from cache_client.simulator.contexts import RecordedContexts
from cache_client.simulator.trace import held_out


@dataclass(slots=True)
class TrafficReport:
    """Counts of plays sent, of tracks unknown to the server, and by (model, version) of right predictions."""

    plays: int = 0
    unknown_tracks: int = 0
    n: Counter[tuple[str, str]] = field(default_factory=Counter)
    right: Counter[tuple[str, str]] = field(default_factory=Counter)


async def replay_traffic(
    client: PredictionClient,
    plays: pd.DataFrame,
    *,
    holdout: float,
    limit: int | None = None,
    concurrency: int = 16,
    advance: Callable[[int], None] = lambda plays: None,
) -> TrafficReport:
    """Sends the held-out plays, listeners side by side, each listener's in order.

    A prediction is asked for with what was known when the play started, and nothing of its outcome.

    Args:
        client: The prediction server.
        plays: All of `data.plays`: earlier ones were known of a listener.
        holdout: Share of the plays, by time, whose sessions are sent.
        limit: How many plays to send at most, the earliest; None for all.
        concurrency: How many listeners may be under way at once.
        advance: Called with the number of plays sent since, for a progress bar.

    Raises:
        ServerError: A call failed.
        UsageError: No session starts in the held-out part.
    """
    contexts = RecordedContexts(plays)
    report = TrafficReport()

    async def send_listener(group: pd.DataFrame) -> None:
        for row, play in zip(group.index, group.itertuples(index=False), strict=True):
            await _send(client, play, contexts.at(row), report)
            advance(1)

    sent = held_out(plays, holdout)[:limit]
    groups = [group for _, group in sent.groupby("listener_id", sort=False)]
    await map_concurrently(send_listener, groups, concurrency)
    return report


async def _send(client: PredictionClient, play: Any, context: ListenerContext, report: TrafficReport) -> None:
    """Sends one play: the prediction first, then the truth."""
    report.plays += 1
    try:
        predicted = await client.predict_random(
            play.track_id,
            play.favourite_genres,
            listener_id=str(play.listener_id),
            context=context,
        )
    except NotFoundError:
        report.unknown_tracks += 1
        return
    skipped = bool(play.skipped)
    listened_ms = round(play.listened_s * 1000)
    await client.record_outcome(predicted.prediction_id, skipped=skipped, listened_ms=listened_ms)
    answered_by = predicted.model, predicted.version
    report.n[answered_by] += 1
    report.right[answered_by] += predicted.skipped == skipped
