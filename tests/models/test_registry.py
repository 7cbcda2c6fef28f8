"""The registry finds complete versions only, newest by number."""

import multiprocessing
import os
import shutil
import signal
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pytest

from data import Catalogue
from models import Artifact, ArtifactError, Registry, load_predictor
from models.artifact import load


def copy_versions(saved: Path, *versions: str) -> Registry:
    for version in versions:
        shutil.copytree(saved, saved.parent / version)
    return Registry(saved.parents[1])


def test_a_missing_root_is_an_empty_registry(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "none")
    assert registry.names() == []
    assert registry.versions("simple") == []
    assert registry.next_version("simple") == "1"


def test_versions_are_ordered_by_number(saved_artifact: Path) -> None:
    registry = copy_versions(saved_artifact, "2", "10", "9")
    assert registry.names() == ["tiny"]
    assert registry.versions("tiny") == ["1", "2", "9", "10"]
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


def test_a_version_number_is_never_given_again(tiny_artifact: Artifact, tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    assert [add(registry, tiny_artifact) for _ in range(2)] == ["1", "2"]
    shutil.rmtree(registry.path("tiny", "2"))
    assert registry.next_version("tiny") == add(registry, tiny_artifact) == "3"
    for version in ("1", "3"):
        shutil.rmtree(registry.path("tiny", version))
    assert registry.names() == []
    assert add(registry, tiny_artifact) == "4"
    assert load(registry.path("tiny", "4")).manifest.version == "4"


def test_numbers_of_folders_that_no_trainer_wrote_are_not_given_either(
    tiny_artifact: Artifact, saved_artifact: Path
) -> None:
    registry = copy_versions(saved_artifact, "7")
    (saved_artifact.parent / ".versions").write_text("5\nno number\n99")
    assert add(registry, tiny_artifact) == "100"


def test_a_name_that_cannot_be_written_is_one_line(tiny_artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "tiny").write_text("")
    with pytest.raises(ArtifactError, match="tiny: cannot be written"):
        Registry(tmp_path).add(tiny_artifact)


def test_a_copied_version_is_not_served_as_another(tiny_artifact: Artifact, tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    shutil.copytree(registry.path("tiny", add(registry, tiny_artifact)), tmp_path / "tiny" / "2")
    catalogue = Catalogue(pd.DataFrame({"id": ["a"], "duration_ms": [1], "tempo": [1.0], "genres": [[]]}))
    with pytest.raises(ArtifactError, match=r"tiny/2, but its manifest\.json says tiny version 1"):
        load_predictor(registry.path("tiny", registry.versions("tiny")[-1]), catalogue)
    assert load_predictor(registry.path("tiny", "1"), catalogue).version == "1"
    assert add(registry, tiny_artifact) == "3"


def add(registry: Registry, artifact: Artifact) -> str:
    return registry.add(artifact).manifest.version


def add_many(root: Path, artifact: Artifact) -> list[str]:
    return [add(Registry(root), artifact) for _ in range(5)]


def killed_while_saving(root: Path, artifact: Artifact) -> None:
    def fsync(_: object) -> None:
        if list(root.glob("*/.saving-*/*")):
            os.kill(os.getpid(), signal.SIGKILL)

    with patch.object(os, "fsync", fsync):
        Registry(root).add(artifact)


def test_trainers_that_export_at_once_get_versions_of_their_own(
    tiny_artifact: Artifact, tmp_path: Path
) -> None:
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        given = [pool.submit(add_many, tmp_path, tiny_artifact) for _ in range(3)]
        versions = [version for each in given for version in each.result()]
    assert sorted(map(int, versions)) == list(range(1, 16))
    assert Registry(tmp_path).versions("tiny") == sorted(versions, key=int)


def test_what_a_killed_trainer_left_goes_with_the_next_export(
    tiny_artifact: Artifact, tmp_path: Path
) -> None:
    killed = multiprocessing.get_context("spawn").Process(
        target=killed_while_saving, args=(tmp_path, tiny_artifact)
    )
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert [path.name[:8] for path in (tmp_path / "tiny").glob("[!.]*")] == []
    assert len(list((tmp_path / "tiny").glob(".saving-*"))) == 1
    assert add(Registry(tmp_path), tiny_artifact) == "2"
    assert list((tmp_path / "tiny").glob(".saving-*")) == []
