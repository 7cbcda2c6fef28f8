"""The data set that is served, and whether the models were trained on it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import structlog

from data import dataset_digest
from server.loaded_models import LoadedModels

_log = structlog.get_logger("server.data_check")


@dataclass(frozen=True)
class ServedData:
    """The data set that is served.

    Attributes:
        directory: Its folder.
    """

    directory: Path

    @cached_property
    def digest(self) -> str | None:
        """Returns the data set's digest as it was when first asked for; None where only the catalogue is.

        Reads all five files, at about a second a gigabyte.
        """
        try:
            return dataset_digest(self.directory)
        except OSError:
            return None


def check_data(library: LoadedModels, served: ServedData, *, warn: bool) -> None:
    """Reads the served data set's digest, and logs a warning that names serving models of another data set.

    It takes a while, so it runs beside the calls. A folder that holds only the catalogue cannot be compared,
    and passes.

    Args:
        library: The models.
        served: The data set.
        warn: Whether to look at the models; else the digest is read alone, before the files change.
    """
    digest = served.digest
    if digest is None or not warn:
        return
    others = [
        f"{name} {model.predictor.version}"
        for name, model in library.serving.items()
        if model.predictor.data_digest != digest
    ]
    if others:
        _log.warning(
            "models_of_other_data",
            models=others,
            data=str(served.directory),
            hint="train on this data set, or name by --models a registry of its models",
        )
