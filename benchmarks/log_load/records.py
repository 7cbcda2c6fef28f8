"""Records like those of real traffic."""

from datetime import UTC, datetime

from msgspec.structs import replace

from server.log.prediction_id import new_prediction_id
from server.log.record import PredictionRecord

_TEMPLATE = PredictionRecord(
    prediction_id="",
    experiment="model-comparison",
    phase="0123456789ab",
    arm="advanced",
    model="advanced",
    version="1",
    arm_probability=0.5,
    listener_id="101",
    track_id="4uLU6hMCjMI75M1A2tKUQC",
    favourite_genres=("rock", "polish rock", "jazz"),
    play_through_probability=0.7311,
    skipped=False,
    requested_at=datetime(2030, 1, 31, 12, tzinfo=UTC),
    latency_us=31,
    digest="0123456789abcdef",
)


def new_record() -> PredictionRecord:
    """Returns a record with an id of its own."""
    return replace(_TEMPLATE, prediction_id=new_prediction_id())
