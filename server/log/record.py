"""What the experiment logs: the form in which it is spooled.

Unknown fields are ignored when rows are read, so that after a step back to this release those that a later
one has spooled are delivered without what it added, as this one would have logged them.
"""

from datetime import datetime
from typing import Self

import msgspec
from msgspec.structs import replace


class Outcome(msgspec.Struct, frozen=True):
    """What really happened after a prediction.

    Attributes:
        skipped: Whether the listener skipped the track.
        listened_ms: How long the listener heard it, in milliseconds.
        recorded_at: When the server was told (UTC).
    """

    skipped: bool
    listened_ms: int
    recorded_at: datetime


class PredictionRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answered prediction.

    Attributes:
        prediction_id: 24 hexadecimal digits; see `server.log.prediction_id`.
        experiment: Name of the experiment.
        phase: Names the arms and their shares at that moment; see `Experiment.phase`.
        arm: Name of the arm that was drawn.
        model: Model that answered.
        version: Version of that model.
        arm_probability: Probability in (0, 1] with which this arm was drawn at that moment.
        listener_id: The listener; None when the caller named none.
        track_id: The track about to be played.
        favourite_genres: The listener's favourite genres as the caller sent them.
        play_through_probability: What the model answered, in [0, 1].
        skipped: Whether the model expected a skip.
        requested_at: When the request came (UTC).
        latency_us: Time from the request to the model's answer, in microseconds.
        digest: Identifies the bytes of the model's artifact, 16 hexadecimal digits; empty in what was logged
            before artifacts had one.
        metric: What decides the experiment, as it was declared at that moment; see `Experiment.metric`.
        outcome: What happened, once that is known.
    """

    prediction_id: str
    experiment: str
    phase: str
    arm: str
    model: str
    version: str
    arm_probability: float
    listener_id: str | None
    track_id: str
    favourite_genres: tuple[str, ...]
    play_through_probability: float
    skipped: bool
    requested_at: datetime
    latency_us: int
    digest: str = ""
    metric: str = "accuracy"
    outcome: Outcome | None = None

    def with_outcome(self, outcome: Outcome) -> Self:
        """Returns the same prediction with what happened."""
        return replace(self, outcome=outcome)
