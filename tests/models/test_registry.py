"""The registry finds complete versions only, newest by number."""

import shutil
from pathlib import Path

import pytest

from models import Registry, UnknownModelError


def copy_versions(saved: Path, *versions: str) -> Registry:
    for version in versions:
        shutil.copytree(saved, saved.parent / version)
    return Registry(saved.parents[1])


def test_a_missing_root_is_an_empty_registry(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "none")
    assert registry.names() == []
    assert registry.versions("simple") == []
    assert registry.next_version("simple") == "1"
    with pytest.raises(UnknownModelError, match="no model named 'simple'"):
        registry.newest("simple")


def test_versions_are_ordered_by_number(saved_artifact: Path) -> None:
    registry = copy_versions(saved_artifact, "2", "10", "9")
    assert registry.names() == ["tiny"]
    assert registry.versions("tiny") == ["1", "2", "9", "10"]
    assert registry.newest("tiny") == "10"
    assert registry.next_version("tiny") == "11"
    assert registry.path("tiny", "10") == saved_artifact.parent / "10"


def test_incomplete_and_foreign_folders_do_not_count_but_are_not_overwritten(saved_artifact: Path) -> None:
    registry = copy_versions(saved_artifact, "2", ".saving-3-abc", "backup", "03")
    (saved_artifact.parent / "2" / "weights.safetensors").unlink()
    (registry.root / ".hidden").mkdir()
    (registry.root / "README.md").write_text("")
    assert registry.names() == ["tiny"]
    assert registry.versions("tiny") == ["1"]
    assert registry.next_version("tiny") == "3"
