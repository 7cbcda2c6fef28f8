"""A record as the server logs it."""

from datetime import UTC, datetime

from server.log.record import PredictionRecord


def record(number: int) -> PredictionRecord:
    """Returns the n-th record."""
    return PredictionRecord(
        prediction_id=f"{number:024x}",
        experiment="model-comparison",
        phase="0123456789ab",
        arm="simple",
        model="simple",
        version="1",
        arm_probability=0.5,
        listener_id="7",
        track_id="track",
        favourite_genres=("rock", "żagle"),
        play_through_probability=0.25,
        skipped=True,
        requested_at=datetime(2030, 1, 1, 12, tzinfo=UTC),
        latency_us=30,
        digest="0123456789abcdef",
    )
