"""What the experiment's collection holds."""

from datetime import datetime
from typing import Any, ClassVar

from beanie import Document
from msgspec import convert, structs
from pydantic import BaseModel, ConfigDict, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from server.log.record import PredictionRecord


class OutcomeDocument(BaseModel):
    """What really happened after a prediction; see `Outcome` for the fields."""

    skipped: bool
    listened_ms: int
    recorded_at: datetime


class PredictionDocument(Document):
    """One answered prediction; see `PredictionRecord` for the fields. `_id` is the prediction_id."""

    model_config = ConfigDict(protected_namespaces=())

    id: str = Field(alias="_id")  # type: ignore[assignment]  # Beanie's default is an ObjectId
    experiment: str
    phase: str
    arm: str
    model: str
    version: str
    digest: str = ""
    metric: str = "accuracy"
    arm_probability: float
    listener_id: str | None
    track_id: str
    favourite_genres: list[str]
    play_through_probability: float
    skipped: bool
    requested_at: datetime
    latency_us: int
    outcome: OutcomeDocument | None = None

    class Settings:
        """How Beanie stores the documents."""

        name = "predictions"
        keep_nulls = True
        indexes: ClassVar = [
            IndexModel(
                [("model", ASCENDING), ("version", ASCENDING), ("requested_at", DESCENDING)],
                name="by_model_and_time",
            ),
            IndexModel([("listener_id", ASCENDING), ("requested_at", DESCENDING)], name="by_listener"),
            IndexModel([("requested_at", DESCENDING)], name="by_time"),
            IndexModel(
                [("experiment", ASCENDING), ("phase", ASCENDING), ("requested_at", ASCENDING)],
                name="by_experiment",
            ),
            # Small, since it holds only what still lacks an outcome.
            IndexModel(
                [("outcome", ASCENDING), ("requested_at", ASCENDING)],
                name="without_outcome",
                partialFilterExpression={"outcome": None},
            ),
        ]


def to_record(stored: dict[str, Any]) -> PredictionRecord:
    """Returns the record of a stored `PredictionDocument`, without what later releases have added.

    Not by way of one: a report reads many, and to build them takes longer than all the rest.
    """
    fields = {name: stored[name] for name in PredictionRecord.__struct_fields__ if name in stored}
    return convert(fields | {"prediction_id": stored["_id"]}, PredictionRecord)


def to_stored(record: PredictionRecord) -> dict[str, Any]:
    """Returns a record as MongoDB stores a `PredictionDocument`.

    Not by way of one: to build it takes 20 times as long, on the loop that answers calls. What is read from
    the spool has the right types already, and MongoDB checks the values.
    """
    fields = structs.asdict(record)
    outcome = None if record.outcome is None else structs.asdict(record.outcome)
    return {"_id": fields.pop("prediction_id"), **fields, "outcome": outcome}
