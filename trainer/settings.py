"""The environment's settings of a training run; a flag beats them."""

import os
from pathlib import Path

from pydantic import Field

from data.settings import DataSettings


class TrainerSettings(DataSettings):
    """Settings of `python -m trainer`.

    Attributes:
        models: Registry folder (environment variable `PLAYTHROUGH_MODELS`).
        cuda_use_gpu: Whether to train on CUDA (environment variable `CUDA_USE_GPU`, 0 or 1); None: when there
            is a device.
    """

    models: Path = Path("models/registry")
    cuda_use_gpu: bool | None = Field(default=None, validation_alias="CUDA_USE_GPU")

    @property
    def device(self) -> str:
        """Returns the device choice that `cuda_use_gpu` stands for: `auto`, `cpu` or `cuda`."""
        if self.cuda_use_gpu is None:
            return "auto"
        return "cuda" if self.cuda_use_gpu else "cpu"


def wait_passively() -> None:
    """Sets the numeric libraries' threads to sleep, not spin, while they wait; call it before their import.

    On cores that other work shares, spinning made an epoch five times slower; on idle ones it gains nothing.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
