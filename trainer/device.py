"""Choice of the device to train on."""

import torch

from trainer.errors import TrainingError

DEVICES = ("auto", "cpu", "cuda")


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
