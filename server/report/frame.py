"""Logged predictions as a table, the one form that the report works on."""

from collections.abc import Iterable

import pandas as pd

from server.log.record import PredictionRecord

_COLUMNS = (
    "prediction_id", "experiment", "phase", "arm", "model", "version", "digest", "arm_probability",
    "listener_id", "play_through_probability", "skipped", "requested_at",
)  # fmt: skip


def read_frame(predictions: Iterable[PredictionRecord]) -> pd.DataFrame:
    """Makes the table.

    Args:
        predictions: In any order.

    Returns:
        One row a prediction, in order of time, with the record's names; and `outcome_skipped` (None while
        there is none), `has_outcome` (bool), `cluster` (str): whose play it was, each prediction without a
        listener being its own. An arm that several artifacts answered for is an arm for each of them.
    """
    rows = [
        [*(getattr(p, name) for name in _COLUMNS), None if p.outcome is None else p.outcome.skipped]
        for p in predictions
    ]
    frame = pd.DataFrame(rows, columns=[*_COLUMNS, "outcome_skipped"])
    frame["requested_at"] = pd.to_datetime(frame["requested_at"], utc=True)
    frame["has_outcome"] = frame["outcome_skipped"].notna().astype(bool)
    anonymous = frame["listener_id"].isna()
    frame["cluster"] = ("listener " + frame["listener_id"].astype(object)).where(
        ~anonymous, "prediction " + frame["prediction_id"].astype(object)
    )
    for name in ("arm_probability", "play_through_probability"):
        frame[name] = frame[name].astype(float)
    frame["skipped"] = frame["skipped"].astype(bool)
    # A phase names the digests of its artifacts, so that this is rare: what was logged by other programs.
    mixed = frame.groupby("arm")["digest"].transform("nunique") > 1
    frame["arm"] = frame["arm"].where(~mixed, frame["arm"] + " " + frame["digest"].replace("", "(no digest)"))
    return frame.sort_values(["requested_at", "prediction_id"], ignore_index=True)
