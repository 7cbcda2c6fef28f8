"""What a batch adds to the counts of delivery (`server.log.spool.counts`)."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from server.log.mongo.store import Joined
from server.log.record import Outcome, PredictionRecord
from server.log.spool.counts import Added, Count
from server.log.spool.rows import Kind


def count_predictions(delivered: Mapping[str, PredictionRecord], inserted: Collection[str]) -> Added:
    """Returns what a batch of predictions adds.

    Args:
        delivered: Those that MongoDB has, by id, with the outcomes that came with them.
        inserted: Those that it has from this batch, and so with these outcomes.
    """
    counts: dict[tuple[Count, str], float] = defaultdict(float)
    now = datetime.now(UTC)
    counts[Count.DELIVERED, Kind.PREDICTION] = len(delivered)
    for prediction_id, record in delivered.items():
        counts[Count.LAG_S, ""] += max(0.0, (now - record.requested_at).total_seconds())
        if record.outcome is not None and prediction_id in inserted:
            _add_outcome(counts, record.model, record.play_through_probability, record.outcome)
    return counts


def count_outcomes(outcomes: Mapping[str, Outcome], found: Joined) -> Added:
    """Returns what a batch of outcomes adds; one that had been joined before adds nothing."""
    counts: dict[tuple[Count, str], float] = defaultdict(float)
    for prediction_id, (model, play_through_probability) in found.predicted.items():
        _add_outcome(counts, model, play_through_probability, outcomes[prediction_id])
    return counts


def _add_outcome(
    counts: dict[tuple[Count, str], float], model: str, play_through_probability: float, outcome: Outcome
) -> None:
    played_through = not outcome.skipped
    counts[Count.DELIVERED, Kind.OUTCOME] += 1
    counts[Count.JOINED, model] += 1
    counts[Count.PLAYED_THROUGH, model] += played_through
    counts[Count.EXPECTED, model] += play_through_probability
    counts[Count.SQUARED_ERROR, model] += (play_through_probability - played_through) ** 2
