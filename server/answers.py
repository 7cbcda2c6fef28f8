"""What the service answers."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Prediction:
    """One prediction.

    Attributes:
        skipped: Whether the probability is below the model's threshold.
        play_through_probability: In [0, 1].
        model: Model that answered.
        version: Version of that model.
        prediction_id: Names the logged prediction; empty when it was not logged.
    """

    skipped: bool
    play_through_probability: float
    model: str
    version: str
    prediction_id: str = ""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Tracks by falling play-through probability.

    Attributes:
        track_ids: The ranked tracks.
        probabilities: Their play-through probabilities, in the same order.
        listening_curves: Probability of hearing each asked second, one curve a track in the same order;
            empty when none was asked for.
        threshold: Probability below which the model expects a skip.
        unknown_track_ids: The requested tracks that the catalogue lacks, in the order of the request.
        model: Model that answered.
        version: Version of that model.
    """

    track_ids: list[str]
    probabilities: list[float]
    threshold: float
    unknown_track_ids: list[str]
    model: str
    version: str
    listening_curves: list[list[float]] = field(default_factory=list)
