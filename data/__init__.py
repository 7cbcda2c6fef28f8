"""The data set: contracts, reading, sessions to plays, quality, and a generator of synthetic ones."""

from data.dataset import Catalogue, Dataset
from data.errors import DataError
from data.generator import generate
from data.plays import plays
from data.reading.folder import read_catalogue, read_dataset
from data.reading.repairs import Repairs, print_repairs

__all__ = [
    "Catalogue",
    "DataError",
    "Dataset",
    "Repairs",
    "generate",
    "plays",
    "print_repairs",
    "read_catalogue",
    "read_dataset",
]
