"""What is installed is locked: one version of each package, each file by its hash, as pyproject.toml asks."""

import importlib.metadata
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.paths import ROOT

CONSTRAINTS = ROOT / "constraints.txt"
RUNTIME = ROOT / "deploy" / "requirements" / "runtime.txt"
TORCH = ROOT / "deploy" / "requirements" / "torch.txt"

Locked = dict[str, tuple[Requirement, frozenset[str]]]


def read_lock(path: Path) -> Locked:
    """Returns each package's requirement with the hashes that its files may have."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    locked: Locked = {}
    for entry in "\n".join(lines).replace("\\\n", " ").splitlines():
        words, *hashes = entry.split("--hash=")
        requirement = Requirement(words.strip())
        name = canonicalize_name(requirement.name)
        assert name not in locked, f"{name} is locked twice"
        locked[name] = (requirement, frozenset(word.strip() for word in hashes))
    return locked


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize("path", [CONSTRAINTS, RUNTIME, TORCH], ids=lambda path: path.name)
def test_each_package_has_one_version_and_hashes(path: Path) -> None:
    locked = read_lock(path)
    assert locked
    for requirement, hashes in locked.values():
        assert re.fullmatch(r"==[\w.!+]+", str(requirement.specifier)), requirement
        assert hashes, f"{requirement} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes), requirement


def test_the_image_gets_what_the_tests_ran_with() -> None:
    everything, runtime = read_lock(CONSTRAINTS), read_lock(RUNTIME)
    for name, locked in runtime.items():
        assert everything[name] == locked, f"{name} differs: make constraints"


def test_the_image_gets_neither_the_embedded_database_nor_what_only_development_needs() -> None:
    assert read_lock(RUNTIME).keys().isdisjoint({"secantusdb", "pytest", "mypy", "playwright"})


def test_the_lock_is_what_pyproject_asks_for(pyproject: dict[str, Any]) -> None:
    project = pyproject["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    for wanted, path in (
        (project["dependencies"], RUNTIME),
        ([*project["dependencies"], *extras], CONSTRAINTS),
    ):
        locked = read_lock(path) | read_lock(TORCH)
        for line in wanted:
            requirement = Requirement(line)
            name = canonicalize_name(requirement.name)
            assert name in locked, f"{line} is not in {path.name}: make constraints"
            (pin,) = locked[name][0].specifier
            assert requirement.specifier.contains(pin.version, prereleases=True), f"{line}: make constraints"


def test_what_torch_without_cuda_requires_is_locked(pyproject: dict[str, Any]) -> None:
    """pyproject.toml says it, since the lock is made from an index whose torch wants CUDA."""
    (stated,) = (
        entry for entry in pyproject["tool"]["uv"]["dependency-metadata"] if entry["name"] == "torch"
    )
    assert str(read_lock(TORCH)["torch"][0].specifier) == f"=={stated['version']}"
    installed = [Requirement(line) for line in importlib.metadata.requires("torch") or []]
    if any(requirement.name.startswith(("nvidia-", "cuda-")) for requirement in installed):
        pytest.skip("this torch is a build with CUDA")
    wanted = {str(requirement) for requirement in installed if "extra" not in str(requirement.marker)}
    assert {str(Requirement(line)) for line in stated["requires-dist"]} == wanted
