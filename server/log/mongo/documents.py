"""What the experiment's collection holds: fields, their validation, and indexes."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from beanie import Document
from msgspec import structs
from pydantic import BaseModel, ConfigDict, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from server.log.record import Outcome, PredictionRecord

Name = Annotated[str, Field(min_length=1)]
Probability = Annotated[float, Field(ge=0, le=1)]


class OutcomeDocument(BaseModel):
    """What really happened after a prediction; see `Outcome` for the fields."""

    skipped: bool
    listened_ms: int = Field(ge=0, lt=2**63)
    recorded_at: datetime


class PredictionDocument(Document):
    """One answered prediction; see `PredictionRecord` for the fields. `_id` is the prediction_id.

    A field that a release adds needs a default: older releases, and what they have spooled, lack it.
    """

    model_config = ConfigDict(protected_namespaces=())

    id: Name = Field(alias="_id")  # type: ignore[assignment]  # Beanie's default is an ObjectId
    experiment: Name
    phase: str
    arm: Name
    model: Name
    version: Name
    digest: str = ""
    metric: Name = "accuracy"
    arm_probability: float = Field(gt=0, le=1)
    listener_id: str | None
    track_id: Name
    favourite_genres: list[str]
    play_through_probability: Probability
    skipped: bool
    requested_at: datetime
    latency_us: int = Field(ge=0, lt=2**63)
    outcome: OutcomeDocument | None = None

    class Settings:
        """How Beanie stores the documents. Every index costs every write; each serves a documented query."""

        name = "predictions"
        keep_nulls = True
        indexes: ClassVar = [
            # The report, and all that asks about one experiment or phase in order of time.
            IndexModel(
                [("experiment", ASCENDING), ("phase", ASCENDING), ("requested_at", ASCENDING)],
                name="by_experiment",
            ),
            # A listener's latest predictions: what support and the law ask for.
            IndexModel([("listener_id", ASCENDING), ("requested_at", DESCENDING)], name="by_listener"),
        ]


class OutcomeView(BaseModel):
    """The part of a document that joining looks at, whoever has written it."""

    id: str = Field(alias="_id")
    outcome: Any = None
    model: Any = None
    play_through_probability: Any = None

    def has(self, outcome: Outcome) -> bool:
        """Returns whether it reports the same as an outcome, whenever that was recorded."""
        told = self.outcome if isinstance(self.outcome, dict) else {}
        return (told.get("skipped"), told.get("listened_ms")) == (outcome.skipped, outcome.listened_ms)

    def is_from(self, outcome: Outcome) -> bool:
        """Returns whether its outcome is this very one, by the millisecond in which it was recorded."""
        told = self.outcome.get("recorded_at") if isinstance(self.outcome, dict) else None
        moment = outcome.recorded_at.replace(microsecond=outcome.recorded_at.microsecond // 1000 * 1000)
        return bool(told == moment)

    def predicted(self) -> tuple[str, float] | None:
        """Returns the model and the play-through probability that it answered; None if it has no such."""
        model, probability = self.model, self.play_through_probability
        if isinstance(model, str) and isinstance(probability, int | float) and 0 <= probability <= 1:
            return model, float(probability)
        return None


def to_document(prediction_id: str, record: PredictionRecord) -> PredictionDocument:
    """Returns a record as Beanie stores it.

    Raises:
        ValueError: When it is no document: a value is out of its range.
    """
    fields = structs.asdict(record)
    del fields["prediction_id"]
    outcome = None if record.outcome is None else structs.asdict(record.outcome)
    document: PredictionDocument = PredictionDocument.model_validate(
        {**fields, "_id": prediction_id, "outcome": outcome}
    )
    return document
