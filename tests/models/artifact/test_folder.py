"""An artifact is whole or refused, and never replaces another."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from data import Catalogue
from models import Artifact, ArtifactError, ListenerContext, Predictor, RecentPlay
from models.artifact import FILES, load, save
from models.features import ContextEncoder, NormalScores
from models.features.history import CONTEXT_SETTINGS, HISTORY
from models.features.known_favourites import KnownFavourites
from tests.models.mood_genres import KNOWN


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


def remove_array(*names: str) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        arrays = load_tensors((path / "encoder.safetensors").read_bytes())
        kept = {name: array for name, array in arrays.items() if name not in names}
        rewrite(path, "encoder.safetensors", save_tensors(kept))

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


def _huge_layers(path: Path) -> dict[str, Any]:
    """Eight layers whose every weight is as large as one may be: a NaN with any input."""
    layers = load_tensors((path / "weights.safetensors").read_bytes())
    first = np.full((2, layers["layer_1.weight"].shape[1]), 1e6, np.float32)
    widths = {f"layer_{n}.weight": np.full((2, 2), -1e6, np.float32) for n in range(2, 9)}
    return {"layer_1.weight": first} | widths | {f"layer_{n}.bias": first[:, 0] for n in range(1, 9)}


BREAKAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    **{f"no {name}": (remove(name), "is missing") for name in FILES},
    **{f"half of {name}": (truncate(name), name) for name in FILES},
    "no folder": (shutil.rmtree, "is missing"),
    "another format": (change_manifest(format_version=4), "format_version is 4"),
    "the format before": (
        change_manifest(format_version=2), "format_version is 2, this program reads 3: train the model again",
    ),
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
    "no context constants": (change_genres(context={}), "context.recent_plays"),
    "an unknown constant": (change_genres(context=asdict(CONTEXT_SETTINGS) | {"more": 1}), "context.more"),
    "a tail of nothing": (change_genres(score_tail=0.0), "score_tail"),
    "a scale of nothing": (
        change_array("encoder.safetensors", "input_scale", lambda a: a * 1e-300), "input_scale",
    ),
    "a mean beyond everything": (
        change_array("encoder.safetensors", "input_mean", lambda a: a * 1e300), "input_mean",
    ),
    "layers that overflow together": (
        lambda p: rewrite(p, "weights.safetensors", save_tensors(_huge_layers(p))), "can overflow",
    ),
    "an audio input too many": (change_genres(audio=["tempo"] * 3), "shape"),
}  # fmt: skip


@pytest.mark.parametrize("case", BREAKAGES)
def test_a_broken_artifact_is_refused_in_one_line(case: str, saved_artifact: Path) -> None:
    check_refused(saved_artifact, *BREAKAGES[case])


def check_refused(path: Path, breakage: Callable[[Path], None], said: str) -> None:
    breakage(path)
    with pytest.raises(ArtifactError) as caught:
        load(path)
    message = str(caught.value)
    assert said in message
    assert str(path) in message
    assert "\n" not in message


def change_encoder(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    return change_array("encoder.safetensors", name, change)


def change_known(change: Callable[[Any], Any]) -> tuple[Callable[[Path], None], str]:
    return change_encoder("known_favourites", change), "known_favourites must be one row of unsigned numbers"


TASTE = ("genre_sounds", "taste_leaning", "taste_affinity")

BREAKAGES_OF_TASTE: dict[str, tuple[Callable[[Path], None], str]] = {
    "keys with a sign": change_known(lambda a: a.astype(np.int64)),
    "keys of fractions": change_known(lambda a: a.astype(np.float64)),
    "keys in a table": change_known(lambda a: a[:, None]),
    "a sound too few": (change_encoder("genre_sounds", lambda a: a[1:]), "genre_sounds has shape"),
    "sounds of one attribute": (change_encoder("genre_sounds", lambda a: a[:, :1]), "genre_sounds has shape"),
    "a leaning too many": (
        change_encoder("taste_leaning", lambda a: np.append(a, a[:1])), "taste_leaning has shape",
    ),
    "an affinity too few": (change_encoder("taste_affinity", lambda a: a[1:]), "taste_affinity has shape"),
    **{f"NaN in {name}": (change_encoder(name, with_nan), f"{name} holds a value") for name in TASTE},
    **{
        f"{name} is huge": (change_encoder(name, lambda a: a + 1e9), f"{name} holds a number beyond 1e+06")
        for name in TASTE
    },
    **{f"no {name}": (remove_array(name), f"'{name}' is missing") for name in TASTE},
    "a leaning alone": (remove_array("genre_sounds", "taste_affinity"), "'genre_sounds' is missing"),
    "an affinity alone": (remove_array("genre_sounds", "taste_leaning"), "'genre_sounds' is missing"),
    "sounds alone": (remove_array("taste_leaning", "taste_affinity"), "'taste_leaning' is missing"),
}  # fmt: skip


@pytest.mark.parametrize("case", BREAKAGES_OF_TASTE)
def test_a_broken_taste_is_refused_in_one_line(case: str, knowing_artifact: Artifact, tmp_path: Path) -> None:
    path = tmp_path / "tiny" / "1"
    save(knowing_artifact, path)
    check_refused(path, *BREAKAGES_OF_TASTE[case])


def test_whom_a_model_knows_and_its_taste_are_read_back_to_the_bit(
    knowing_artifact: Artifact, tmp_path: Path, mood_catalogue: Catalogue
) -> None:
    save(knowing_artifact, tmp_path / "tiny" / "1")
    loaded = load(tmp_path / "tiny" / "1")
    before, after = knowing_artifact.inputs, loaded.inputs
    assert before.known is not None
    assert after.known is not None
    assert before.taste is not None
    assert after.taste is not None
    for found, expected in (
        (after.known.keys, before.known.keys),
        (after.taste.leaning, before.taste.leaning),
        (after.taste.affinity, before.taste.affinity),
        (after.taste.places.sounds, before.taste.places.sounds),
    ):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    predictors = [Predictor(artifact, mood_catalogue) for artifact in (knowing_artifact, loaded)]
    for favourites in (*KNOWN, ["mood7 jazz", "mood8 pop"], []):
        found, expected = (predictor.predict_all(favourites) for predictor in predictors)
        np.testing.assert_allclose(found, expected, rtol=1e-6)  # products of arrays in another order


def test_a_model_that_knows_everyone_has_none_of_these_arrays(saved_artifact: Path) -> None:
    inputs = load(saved_artifact).inputs
    assert (inputs.known, inputs.taste) == (None, None)
    stored = load_tensors((saved_artifact / "encoder.safetensors").read_bytes())
    assert not {"known_favourites", *TASTE} & stored.keys()


def test_a_model_may_know_nobody(knowing_artifact: Artifact, tmp_path: Path) -> None:
    inputs = replace(knowing_artifact.inputs, known=KnownFavourites(np.zeros(0, dtype=np.uint64)))
    save(replace(knowing_artifact, inputs=inputs), tmp_path / "tiny" / "1")
    assert not load(tmp_path / "tiny" / "1").inputs.knows(KNOWN[0])


def test_what_is_saved_is_what_is_loaded(tiny_artifact: Artifact, saved_artifact: Path) -> None:
    loaded = load(saved_artifact)
    assert loaded.manifest == tiny_artifact.manifest
    for (weight, bias), (saved_weight, saved_bias) in zip(loaded.layers, tiny_artifact.layers, strict=True):
        np.testing.assert_array_equal(weight, saved_weight)
        np.testing.assert_array_equal(bias, saved_bias)
    assert sorted(file.name for file in saved_artifact.iterdir()) == sorted(FILES)


def test_a_manifest_that_does_not_know_of_refitting_is_of_a_model_that_was_not(
    saved_artifact: Path,
) -> None:
    file = saved_artifact / "manifest.json"
    content = json.loads(file.read_text())
    del content["refitted"]
    file.write_text(json.dumps(content))
    assert load(saved_artifact).manifest.refitted is False
    change_manifest(refitted=True)(saved_artifact)
    assert load(saved_artifact).manifest.refitted is True


def test_a_model_of_other_bytes_has_another_digest(
    tiny_artifact: Artifact, saved_artifact: Path, tiny_catalogue: Catalogue
) -> None:
    digest = load(saved_artifact).digest
    assert re.fullmatch(r"[0-9a-f]{16}", digest)
    assert load(saved_artifact).digest == Predictor(load(saved_artifact), tiny_catalogue).digest == digest
    retrained = saved_artifact.parents[2] / "other" / "tiny" / "1"
    (weight, bias), *rest = tiny_artifact.layers
    save(replace(tiny_artifact, layers=((weight, bias + 1), *rest)), retrained)
    assert load(retrained).digest != digest


@pytest.mark.parametrize("copy", ["tiny/2", "huge/1"])
def test_a_copied_version_is_refused_with_both_numbers(copy: str, saved_artifact: Path) -> None:
    copied = saved_artifact.parents[1] / copy
    shutil.copytree(saved_artifact, copied)
    with pytest.raises(ArtifactError, match=f"named {copy}, but its manifest.json says tiny version 1"):
        load(copied)


@pytest.fixture
def contextual_artifact(tiny_artifact: Artifact) -> Artifact:
    """The tiny artifact with a context whose constants are none of this program's."""
    settings = replace(
        CONTEXT_SETTINGS,
        recent_plays=50,
        latest_plays=3,
        rate_prior_plays=1.5,
        squared_bandwidths=(0.2, 0.4, 0.8),
        bound=2.0,
    )
    n_history, inputs = len(HISTORY), tiny_artifact.inputs
    each = np.full(n_history, 0.5)
    context = ContextEncoder(0.6, np.array([0.7, 0.3]), each, each, each, 0.1, settings)
    (weight, bias), *rest = tiny_artifact.layers
    wider = np.pad(weight, ((0, 0), (0, context.n_inputs)), constant_values=0.3)
    scores = NormalScores(np.array([[1e5, 2e5, 3e5], [60, 100, 140]], dtype=np.float64), tail=0.05)
    inputs = replace(inputs, context=context, scores=scores)
    return replace(tiny_artifact, inputs=inputs, layers=((wider, bias), *rest))


def test_a_model_is_served_with_the_constants_it_was_trained_with(
    contextual_artifact: Artifact, tiny_catalogue: Catalogue, tmp_path: Path
) -> None:
    save(contextual_artifact, tmp_path / "tiny" / "1")
    loaded = load(tmp_path / "tiny" / "1")
    assert loaded.inputs.context is not None
    assert contextual_artifact.inputs.context is not None
    assert loaded.inputs.context.settings == contextual_artifact.inputs.context.settings
    known = ListenerContext(True, tuple(RecentPlay("ab"[n % 2], n % 3 == 0) for n in range(60)), False, 4)
    before, after = (
        Predictor(artifact, tiny_catalogue).predict(["a", "b", "c", "d"], ["rock"], known)
        for artifact in (contextual_artifact, loaded)
    )
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    "changed",
    [
        {"ridge": -1.0}, {"squared_bandwidths": [0.1, 0.3, 0.0]}, {"latest_plays": 0}, {"ridge": 1e-9},
        {"situation_centre": 5e307}, {"position_scale": 5e-324},
    ],
)  # fmt: skip
def test_constants_that_make_no_sense_are_refused(
    changed: dict[str, Any], contextual_artifact: Artifact, tmp_path: Path
) -> None:
    path = tmp_path / "tiny" / "1"
    save(contextual_artifact, path)
    stored = json.loads((path / "genres.json").read_text())["context"]
    change_genres(context=stored | changed)(path)
    with pytest.raises(ArtifactError, match="constants must be positive"):
        load(path)


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


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("context_prior", 5e-324, "context_prior"),
        ("context_scale", 1e-300, "context_scale"),
        ("context_relevance", 1e6, "context_relevance"),
        ("context_mean", 1e300, "context_mean"),
        ("context_weight", 1e300, "context_weight"),
        ("context_situation_weight", 1e300, "context_situation_weight"),
    ],
)
def test_numbers_of_a_context_that_make_nan_are_refused(
    name: str, value: float, said: str, contextual_artifact: Artifact, tmp_path: Path
) -> None:
    path = tmp_path / "tiny" / "1"
    save(contextual_artifact, path)
    change_array("encoder.safetensors", name, lambda array: np.full_like(array, value))(path)
    with pytest.raises(ArtifactError, match=said):
        load(path)


def test_a_context_needs_audio_on_its_normal_scale(contextual_artifact: Artifact, tmp_path: Path) -> None:
    path = tmp_path / "tiny" / "1"
    save(contextual_artifact, path)
    change_genres(score_tail=None)(path)
    with pytest.raises(ArtifactError, match="score_tail is missing"):
        load(path)
