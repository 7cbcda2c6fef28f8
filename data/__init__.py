"""The data set: contracts, reading, sessions to plays, quality, and a generator of synthetic ones."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.dataset import Catalogue, Dataset
    from data.errors import DataError
    from data.generator import generate
    from data.reading.folder import dataset_digest, read_catalogue, read_dataset
    from data.reading.repairs import Repairs, print_repairs
    from data.session_plays import plays

__all__ = [
    "Catalogue",
    "DataError",
    "Dataset",
    "Repairs",
    "dataset_digest",
    "generate",
    "plays",
    "print_repairs",
    "read_catalogue",
    "read_dataset",
]

_MODULES = {
    "Catalogue": "dataset",
    "DataError": "errors",
    "Dataset": "dataset",
    "Repairs": "reading.repairs",
    "dataset_digest": "reading.folder",
    "generate": "generator",
    "plays": "session_plays",
    "print_repairs": "reading.repairs",
    "read_catalogue": "reading.folder",
    "read_dataset": "reading.folder",
}


def __getattr__(name: str) -> object:
    """Loads an export when it is first asked for: pandas takes a second, in which Ctrl-C must be heard."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
