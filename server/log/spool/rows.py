"""What spool files hold, as plain values."""

from dataclasses import dataclass

import msgspec


class SpooledRow(msgspec.Struct, frozen=True, array_like=True):
    """A prediction as the spool keeps it, still in JSON.

    Attributes:
        prediction_id: Names the prediction.
        body: `PredictionRecord.to_json`.
        outcome: `Outcome.to_json`, or None while it is unknown.
    """

    prediction_id: str
    body: str
    outcome: str | None


@dataclass(frozen=True, slots=True)
class HeldOutcome:
    """An outcome whose prediction was not on this machine while MongoDB was away.

    Attributes:
        prediction_id: The prediction, as the caller named it.
        outcome: `Outcome.to_json`.
        held_at: When it came, in seconds since 1970.
    """

    prediction_id: str
    outcome: str
    held_at: float


@dataclass(frozen=True, slots=True)
class SpoolCounts:
    """How much lies in spool files.

    Attributes:
        waiting: Predictions that MongoDB does not have yet.
        held_outcomes: Outcomes that wait for MongoDB to say whose they are.
        dead_letters: Predictions that MongoDB refused for good.
        dead_outcomes: Outcomes of no logged prediction, or of one that had another outcome first.
    """

    waiting: int = 0
    held_outcomes: int = 0
    dead_letters: int = 0
    dead_outcomes: int = 0

    def __add__(self, other: "SpoolCounts") -> "SpoolCounts":
        """Returns the counts of both."""
        return SpoolCounts(
            self.waiting + other.waiting,
            self.held_outcomes + other.held_outcomes,
            self.dead_letters + other.dead_letters,
            self.dead_outcomes + other.dead_outcomes,
        )
