"""An experiment's TOML file: refused in a line, or an experiment whose arms have shares that add up."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from server.errors import StartError
from server.experiment.definition import read_definition, resolve
from tests.fuzz.one_line import check_refusal

MODULES = ("server.experiment", "server.toml_file", "tomllib")

_NEWEST = {"simple": "1", "advanced": "2"}


def seeds() -> dict[str, bytes]:
    """Returns files as the documentation shows them."""
    return {
        "two-arms": b"""name = "night-owls"
salt = "x"
metric = "brier"
[[arms]]
model = "simple"
weight = 1.5
[[arms]]
model = "advanced@1"
name = "old"
""",
        "one-arm": b'name = "n"\narms = [{model = "simple", weight = 1e-3}]\n',
    }


@contextmanager
def opened(folder: Path) -> Iterator[Callable[[bytes], None]]:
    """Yields what takes an input, and raises for a finding; it writes below a folder."""
    path = folder / "experiment.toml"

    def check(content: bytes) -> None:
        path.write_bytes(content)
        try:
            experiment = resolve(read_definition(path), _NEWEST)
        except StartError as error:
            check_refusal(error)
            return
        assert all(0 < arm.probability <= 1 for arm in experiment.arms), experiment.arms
        assert math.isclose(sum(arm.probability for arm in experiment.arms), 1)
        assert experiment.choose("listener") in experiment.arms
        assert experiment.choose(None, "request") in experiment.arms

    yield check
