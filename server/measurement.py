"""What a model's figures were measured on."""

from typing import NamedTuple

from models import Predictor


class Measurement(NamedTuple):
    """What a model's figures were measured on; those of two models compare only where all of it is equal.

    Attributes:
        data_digest: Digest of the data set that the model was trained and measured on.
        split: How its plays were split: "random", "temporal", "listener", …; empty when unknown.
        test_share: Share of the plays that was held out; 0 when unknown.
        seed: Seed of the split, as text; empty when unknown.
    """

    data_digest: str
    split: str
    test_share: float
    seed: str

    def __str__(self) -> str:
        """Returns the measurement in words, for logs."""
        drawn = f"test share {self.test_share:g}, seed {self.seed or 'unknown'}"
        return f"{self.split or 'unknown'} split of data {self.data_digest[:12]}, {drawn}"


def measurement_of(predictor: Predictor) -> Measurement:
    """Returns what a model's figures were measured on, as its manifest has it."""
    split = predictor.split
    share = split.get("test_share")
    test_share = float(share) if isinstance(share, (int, float)) and 0 < share <= 1 else 0.0
    kind, seed = split.get("kind", ""), split.get("seed", "")
    return Measurement(predictor.data_digest, str(kind), test_share, str(seed))
