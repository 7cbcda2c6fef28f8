"""Whether the models were trained on the data set that is served."""

from pathlib import Path

import structlog

from data import dataset_digest
from server.loaded_models import LoadedModels

_log = structlog.get_logger("server.data_check")


def warn_of_other_data(library: LoadedModels, directory: Path) -> None:
    """Logs a warning that names the serving models which were trained on another data set.

    Reads all five files of the data set, at about a second a gigabyte, so it runs beside the calls. A folder
    that holds only the catalogue cannot be compared, and passes.

    Args:
        library: The models.
        directory: Folder of the data set.
    """
    try:
        digest = dataset_digest(directory)
    except OSError:
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
            data=str(directory),
            hint="train on this data set, or name by --models a registry of its models",
        )
