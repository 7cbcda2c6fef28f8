"""What a training run may vary."""

from dataclasses import dataclass

import torch

from trainer.errors import TrainingError
from trainer.splits import Split

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Options:
    """What a run may vary.

    Attributes:
        recipe: Key of `RECIPES`.
        split: How the test part is chosen.
        device: Where to train.
        seed: Seed of everything random but the split.
        epochs: Overrides the recipe's number; None keeps it. See `Recipe.shortened`.
        data_licence: Licence of the data set, noted in the artifact.
        refit: Whether the exported model learns from all plays once it has been measured.
        resume: Whether to keep a newest version that the very same run has exported before.
    """

    recipe: str
    split: Split
    device: torch.device
    seed: int = 42
    epochs: int | None = None
    data_licence: str = "unspecified"
    refit: bool = False
    resume: bool = False

    @property
    def exports_refitted(self) -> bool:
        """Returns whether the exported model has seen the test part: one of all listeners always has."""
        return self.refit or self.split is Split.LISTENER

    def check(self) -> None:
        """Raises for options that cannot be combined.

        Raises:
            TrainingError: A model that has seen the test part is to be kept: it cannot be measured again.
        """
        if self.resume and self.exports_refitted:
            raise TrainingError(
                "--resume cannot keep a model that learnt from all plays (--refit, --split listener): "
                "its quality could not be measured again"
            )


def choose_device(wanted: str) -> torch.device:
    """Returns the device: `auto` takes CUDA when there is one.

    Raises:
        TrainingError: CUDA is asked for where there is none, or the name is not known.
    """
    if wanted not in DEVICES:
        raise TrainingError(f"unknown device {wanted!r}: choose one of {', '.join(DEVICES)}")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise TrainingError("CUDA was asked for, but this machine has no usable CUDA device")
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda")
