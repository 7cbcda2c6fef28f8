"""From a trained network to an artifact that says what made it, and whether an older one was made alike."""

import hashlib
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import data
import models
import trainer
from models import Artifact, ArtifactError, Manifest, Registry
from models.artifact import load
from models.features import InputEncoder
from models.listening_curve import fit_skip_times
from trainer.descent import Fitted
from trainer.options import Options
from trainer.recipes import Recipe
from trainer.splits import SPLIT_SEED, TEST_SHARE, Parts

_LIBRARIES = ("imbalanced-learn", "numpy", "pandas", "scikit-learn", "scipy", "torch")


def make_artifact(
    name: str,
    recipe: Recipe,
    inputs: InputEncoder,
    fitted: Fitted,
    parts: Parts,
    options: Options,
) -> Artifact:
    """Returns the model, not yet measured nor numbered."""
    training_part = parts.training
    skips = training_part[training_part["skipped"]]
    skip_times = fit_skip_times(skips["listened_s"].to_numpy(), skips["duration_s"].to_numpy())
    manifest = Manifest(
        name=name,
        version="1",  # The registry gives the real one.
        description=recipe.description,
        created_at=datetime.now(UTC),
        features={
            "genres": "tf-idf, pca, k-means",
            "n_components": len(inputs.genres.components),
            "n_clusters": inputs.genres.n_clusters,
            "audio": list(recipe.audio),
            "context": inputs.n_context_inputs,
        },
        required_inputs=("track_id", "favourite_genres", *(("context",) if inputs.context else ())),
        calibration=fitted.calibration,
        training={
            "n_train": len(parts.training_rows),
            "best_epoch": fitted.best_epoch,
            **_environment(options),
        },
        metrics={},
        **_origin(recipe, parts, options),
    )
    return Artifact(manifest, inputs, fitted.layers, skip_times)


def with_metrics(artifact: Artifact, metrics: dict[str, float], n_test: int, seconds: float) -> Artifact:
    """Returns the model with what was measured on so many plays, after so many seconds in all."""
    training = {**artifact.manifest.training, "n_test": n_test, "seconds": round(seconds, 3)}
    manifest = artifact.manifest.model_copy(update={"metrics": metrics, "training": training})
    return replace(artifact, manifest=manifest)


def exported_before(
    name: str, recipe: Recipe, registry: Registry, parts: Parts, options: Options
) -> Artifact | None:
    """Returns the name's newest model if this very run would make it again.

    The same data, settings, code, libraries and kind of device: where one of them differs, or an older
    trainer noted none of them, the model is trained again.
    """
    versions = registry.versions(name)
    if not versions:
        return None
    try:
        artifact = load(registry.path(name, versions[-1]))
    except ArtifactError:
        return None  # Broken: it stays for people to look at, and the next version is trained.
    found = artifact.manifest.model_dump(mode="json")
    # As JSON, in which tuples are lists.
    origin, environment = json.loads(json.dumps((_origin(recipe, parts, options), _environment(options))))
    same_origin = all(found[key] == value for key, value in origin.items())
    same_environment = all(found["training"].get(key) == value for key, value in environment.items())
    return artifact if same_origin and same_environment else None


def _origin(recipe: Recipe, parts: Parts, options: Options) -> dict[str, Any]:
    """Returns the manifest's entries of what a model was made of."""
    named = {"name": options.recipe, "seed": options.seed}
    return {
        "data_digest": parts.dataset.digest,
        "data_licence": options.data_licence,
        "refitted": options.exports_refitted,
        "split": {"kind": options.split.value, "test_share": TEST_SHARE, "seed": SPLIT_SEED},
        "recipe": {**named, **asdict(recipe), "audio": list(recipe.audio)},
    }


def _environment(options: Options) -> dict[str, Any]:
    """Returns the entries of the manifest's `training` of what made a model."""
    return {
        "device": options.device.type,
        "code": _code_digest(),
        "libraries": {library: version(library) for library in _LIBRARIES},
    }


@cache
def _code_digest() -> str:
    """Returns the first 16 hex digits of the SHA-256 of the source of all that training runs through."""
    found = hashlib.sha256()
    for room in (data, models, trainer):
        root = Path(str(room.__file__)).parent
        for file in sorted(root.rglob("*.py")):
            found.update(f"{room.__name__}/{file.relative_to(root)}\n".encode() + file.read_bytes())
    return found.hexdigest()[:16]
