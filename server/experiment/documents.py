"""What the experiment's collection holds."""

from datetime import datetime
from typing import ClassVar, Self

from beanie import Document
from pydantic import BaseModel, ConfigDict, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from server.experiment.records import Outcome, PredictionRecord


class OutcomeDocument(BaseModel):
    """What really happened after a prediction; see `Outcome` for the fields."""

    skipped: bool
    listened_ms: int
    recorded_at: datetime

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """Returns the stored form of an outcome."""
        return cls(skipped=outcome.skipped, listened_ms=outcome.listened_ms, recorded_at=outcome.recorded_at)

    def to_outcome(self) -> Outcome:
        """Returns the outcome that is stored."""
        return Outcome(self.skipped, self.listened_ms, self.recorded_at)


class PredictionDocument(Document):
    """One answered prediction; see `PredictionRecord` for the fields. `_id` is the prediction_id."""

    model_config = ConfigDict(protected_namespaces=())

    id: str = Field(alias="_id")  # type: ignore[assignment]  # Beanie's default is an ObjectId
    experiment: str
    phase: str
    arm: str
    model: str
    version: str
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

    @classmethod
    def of(cls, record: PredictionRecord, outcome: Outcome | None) -> Self:
        """Returns the stored form of a record and of its outcome, if that is known already."""
        fields = {name: getattr(record, name) for name in record.__slots__ if name != "prediction_id"}
        stored = None if outcome is None else OutcomeDocument.of(outcome)
        return cls(_id=record.prediction_id, outcome=stored, **fields)
