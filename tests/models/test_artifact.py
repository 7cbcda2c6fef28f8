"""An artifact is whole or refused, and never replaces another."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from models import Artifact, ArtifactError
from models.artifact import FILES, load, save


def rewrite(path: Path, name: str, content: bytes) -> None:
    """Replace a file and its checksum, as someone who means harm could."""
    (path / name).write_bytes(content)
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["sha256"][name] = hashlib.sha256(content).hexdigest()
    (path / "manifest.json").write_text(json.dumps(manifest))


def change_array(file: str, name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        arrays = load_tensors((path / file).read_bytes())
        arrays[name] = np.ascontiguousarray(change(arrays[name].copy()))
        rewrite(path, file, save_tensors(arrays))

    return apply


def change_manifest(**changes: Any) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        file = path / "manifest.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return apply


def change_genres(**changes: Any) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        genres = json.loads((path / "genres.json").read_text()) | changes
        rewrite(path, "genres.json", json.dumps(genres).encode())

    return apply


def with_nan(array: Any) -> Any:
    array.flat[0] = np.nan
    return array


def write_manifest(text: str) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        (path / "manifest.json").write_text(text)

    return apply


def truncate(name: str) -> Callable[[Path], None]:
    return lambda path: os.truncate(path / name, (path / name).stat().st_size // 2)


def remove(name: str) -> Callable[[Path], None]:
    return lambda path: (path / name).unlink()


BREAKAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    **{f"no {name}": (remove(name), "is missing") for name in FILES},
    **{f"half of {name}": (truncate(name), name) for name in FILES},
    "no folder": (shutil.rmtree, "is missing"),
    "another format": (change_manifest(format_version=2), "format_version is 2"),
    "no format": (change_manifest(format_version=None), "format_version is None"),
    "manifest is a list": (write_manifest("[]"), "not a JSON object"),
    "manifest is deep": (write_manifest("[" * 10**6), "manifest.json"),
    "threshold beyond 1": (change_manifest(threshold=1.5), "threshold"),
    "a version that climbs out": (change_manifest(version="../1"), "version"),
    "no checksums": (change_manifest(sha256={}), "checksum"),
    "weights are no safetensors": (lambda p: rewrite(p, "weights.safetensors", b"no"), "weights.safetensors"),
    "a weight is NaN": (
        change_array("weights.safetensors", "layer_1.weight", with_nan), "not finite",
    ),
    "a weight overflows": (
        change_array("weights.safetensors", "layer_2.bias", lambda a: a.astype(np.float64) * 1e300),
        "not finite",
    ),
    "a weight is huge": (change_array("weights.safetensors", "layer_2.weight", lambda a: a * 1e9), "beyond"),
    "a layer is cut": (change_array("weights.safetensors", "layer_2.weight", lambda a: a[:, 1:]), "shape"),
    "three outputs": (
        change_array("weights.safetensors", "layer_3.bias", lambda a: np.append(a, a[:1])), "layer_3",
    ),
    "no layer": (lambda p: rewrite(p, "weights.safetensors", save_tensors({})), "0 layers"),
    "a scale is zero": (change_array("encoder.safetensors", "input_scale", lambda a: a * 0), "positive"),
    "centroids have no shape": (
        change_array("encoder.safetensors", "centroids", lambda a: a[0]), "encoder.safetensors",
    ),
    "a genre out of range": (change_genres(cluster_of={"rock": 99}), "out of range"),
    "an audio input too many": (change_genres(audio=["tempo"] * 3), "shape"),
}  # fmt: skip


@pytest.mark.parametrize("case", BREAKAGES)
def test_a_broken_artifact_is_refused_in_one_line(case: str, saved_artifact: Path) -> None:
    breakage, said = BREAKAGES[case]
    breakage(saved_artifact)
    with pytest.raises(ArtifactError) as caught:
        load(saved_artifact)
    message = str(caught.value)
    assert said in message
    assert str(saved_artifact) in message
    assert "\n" not in message


def test_what_is_saved_is_what_is_loaded(tiny_artifact: Artifact, saved_artifact: Path) -> None:
    loaded = load(saved_artifact)
    assert loaded.manifest == tiny_artifact.manifest
    for (weight, bias), (saved_weight, saved_bias) in zip(loaded.layers, tiny_artifact.layers, strict=True):
        np.testing.assert_array_equal(weight, saved_weight)
        np.testing.assert_array_equal(bias, saved_bias)
    assert sorted(file.name for file in saved_artifact.iterdir()) == sorted(FILES)


def test_saving_never_replaces_a_version(tiny_artifact: Artifact, saved_artifact: Path) -> None:
    before = {file.name: file.read_bytes() for file in saved_artifact.iterdir()}
    worse = replace(tiny_artifact, layers=tuple((weight * 0, bias) for weight, bias in tiny_artifact.layers))
    with pytest.raises(ArtifactError, match="exists already"):
        save(worse, saved_artifact)
    assert {file.name: file.read_bytes() for file in saved_artifact.iterdir()} == before
    assert [entry.name for entry in saved_artifact.parent.iterdir()] == ["1"]


@pytest.mark.parametrize("interruption", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_save_leaves_nothing(
    interruption: BaseException, tiny_artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = 0

    def fsync(_: int) -> None:
        nonlocal synced
        synced += 1
        if synced == 3:
            raise interruption

    monkeypatch.setattr(os, "fsync", fsync)
    expected = KeyboardInterrupt if isinstance(interruption, KeyboardInterrupt) else ArtifactError
    with pytest.raises(expected):
        save(tiny_artifact, tmp_path / "tiny" / "1")
    assert list((tmp_path / "tiny").iterdir()) == []


def test_a_registry_that_cannot_be_written_is_one_line(tiny_artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "tiny").write_text("a file")
    with pytest.raises(ArtifactError, match="cannot be written: "):
        save(tiny_artifact, tmp_path / "tiny" / "1")
