"""Logged predictions as a table, the one form that the report works on."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import pandas as pd


@dataclass(frozen=True, slots=True)
class LoggedPrediction:
    """What the report needs of a logged prediction; see `PredictionRecord` for the fields."""

    prediction_id: str
    experiment: str
    phase: str
    arm: str
    model: str
    version: str
    arm_probability: float
    listener_id: str | None
    play_through_probability: float
    skipped: bool
    requested_at: datetime
    outcome_skipped: bool | None


def read_frame(predictions: Iterable[LoggedPrediction]) -> pd.DataFrame:
    """Makes the table.

    Args:
        predictions: In any order.

    Returns:
        One row a prediction, in order of time, with the fields' names; and `has_outcome` (bool), `cluster`
        (str): whose play it was, each prediction without a listener being its own.
    """
    columns = list(LoggedPrediction.__slots__)
    frame = pd.DataFrame([[getattr(p, name) for name in columns] for p in predictions], columns=columns)
    frame["requested_at"] = pd.to_datetime(frame["requested_at"], utc=True)
    frame["has_outcome"] = frame["outcome_skipped"].notna().astype(bool)
    anonymous = frame["listener_id"].isna()
    frame["cluster"] = ("listener " + frame["listener_id"].astype(object)).where(
        ~anonymous, "prediction " + frame["prediction_id"].astype(object)
    )
    for name in ("arm_probability", "play_through_probability"):
        frame[name] = frame[name].astype(float)
    frame["skipped"] = frame["skipped"].astype(bool)
    return frame.sort_values(["requested_at", "prediction_id"], ignore_index=True)
