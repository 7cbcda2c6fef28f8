"""The artifact: one folder a model version, written in one piece and safe to load from a stranger.

The folder holds `manifest.json`, `weights.safetensors`, `genres.json`, `encoder.safetensors` and
`skip_times.safetensors`; the manifest carries the SHA-256 of the other four. Nothing in it is executed on
loading.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError

from models.features import InputEncoder
from models.layout import (
    GenresFile,
    Layer,
    pack_encoder,
    pack_genres,
    pack_layers,
    pack_skip_times,
    unpack_encoder,
    unpack_layers,
    unpack_skip_times,
)
from models.listening_curve import SkipTimes, uniform_skip_times
from models.manifest import FORMAT_VERSION, Manifest

MANIFEST = "manifest.json"
WEIGHTS = "weights.safetensors"
GENRES = "genres.json"
ENCODER = "encoder.safetensors"
SKIP_TIMES = "skip_times.safetensors"
FILES = (MANIFEST, WEIGHTS, GENRES, ENCODER, SKIP_TIMES)


class ArtifactError(Exception):
    """Says in one line why an artifact cannot be read or written."""

    def __init__(self, path: Path, problem: str) -> None:
        """Keeps the folder and the problem apart, for callers that show them their own way."""
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        """Returns `folder: problem` on one line."""
        return " ".join(f"{self.path}: {self.problem}".split())


@dataclass(frozen=True, eq=False)
class Artifact:
    """A trained model.

    Attributes:
        manifest: What it is.
        inputs: Encoder of its inputs.
        layers: Two or more linear layers in order, a ReLU between; the last has two outputs (see `classes`).
        skip_times: How skips spread over a track.
        digest: First 16 hex digits of the SHA-256 of its files, names and contents; empty before it is saved.
    """

    manifest: Manifest
    inputs: InputEncoder
    layers: tuple[Layer, ...]
    skip_times: SkipTimes = field(default_factory=uniform_skip_times)
    digest: str = ""


class _Checksums(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest: Manifest
    sha256: dict[str, str]


def save(artifact: Artifact, directory: Path) -> None:
    """Writes the artifact as a new folder: either all of it appears, or nothing does.

    Args:
        artifact: Model to write.
        directory: Folder to make; its parents are made too.

    Raises:
        ArtifactError: The folder exists already or cannot be written.
    """
    temporary = directory.parent / f".saving-{directory.name}-{uuid.uuid4().hex}"
    try:
        temporary.mkdir(parents=True)
        for name, content in _contents(artifact).items():
            _write(temporary / name, content)
        _sync(temporary)
        # Fails where a folder with files is already there: a version is never replaced.
        temporary.rename(directory)
        _sync(directory.parent)
    except OSError as error:
        problem = "exists already" if directory.exists() else error.strerror or type(error).__name__
        raise ArtifactError(directory, f"cannot be written: {problem}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def load(directory: Path) -> Artifact:
    """Reads an artifact and checks all of it.

    Args:
        directory: Folder of one model version.

    Returns:
        The model, whose parts are known to fit together and to hold no NaN.

    Raises:
        ArtifactError: It is missing, half-written, changed since, or of another format version.
    """
    raw = _read(directory, MANIFEST)
    with _parsing(directory, MANIFEST):
        stated = _checked_manifest(raw)
    contents = {MANIFEST: raw}
    for name in (WEIGHTS, GENRES, ENCODER, SKIP_TIMES):
        contents[name] = _read(directory, name)
        if hashlib.sha256(contents[name]).hexdigest() != stated.sha256.get(name):
            raise ArtifactError(directory, f"{name} differs from its checksum in {MANIFEST}")
    with _parsing(directory, GENRES):
        genres = GenresFile.model_validate_json(contents[GENRES])
    with _parsing(directory, ENCODER):
        inputs = unpack_encoder(genres, contents[ENCODER])
    with _parsing(directory, WEIGHTS):
        layers = unpack_layers(contents[WEIGHTS], inputs.n_inputs)
    with _parsing(directory, SKIP_TIMES):
        skip_times = unpack_skip_times(contents[SKIP_TIMES])
    return Artifact(stated.manifest, inputs, layers, skip_times, _digest(contents))


def _digest(contents: dict[str, bytes]) -> str:
    """Returns the first 16 hex digits of the SHA-256 of files, by sorted name."""
    found = hashlib.sha256()
    for name, content in sorted(contents.items()):
        # The length keeps one file's end from passing for the next one's beginning.
        found.update(f"{name} {len(content)}\n".encode() + content)
    return found.hexdigest()[:16]


def _contents(artifact: Artifact) -> dict[str, bytes]:
    """Returns the files' contents by name, the manifest last."""
    contents = {
        WEIGHTS: pack_layers(artifact.layers),
        GENRES: pack_genres(artifact.inputs),
        ENCODER: pack_encoder(artifact.inputs),
        SKIP_TIMES: pack_skip_times(artifact.skip_times),
    }
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    manifest = artifact.manifest.model_dump(mode="json") | {"sha256": checksums}
    return contents | {MANIFEST: json.dumps(manifest, indent=2).encode() + b"\n"}


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    """Makes a folder's entries durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(directory: Path, name: str) -> bytes:
    try:
        return (directory / name).read_bytes()
    except FileNotFoundError as error:
        raise ArtifactError(directory, f"{name} is missing") from error
    except OSError as error:
        raise ArtifactError(directory, f"{name} cannot be read: {error.strerror}") from error


@contextmanager
def _parsing(directory: Path, name: str) -> Iterator[None]:
    """Turns whatever is wrong with a file's content into one line."""
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ArtifactError(directory, f"{name}: {place + ': ' if place else ''}{first['msg']}") from error
    except KeyError as error:
        raise ArtifactError(directory, f"{name}: {error} is missing") from error
    except (SafetensorError, TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(directory, f"{name}: {error}") from error


def _checked_manifest(raw: bytes) -> _Checksums:
    content = json.loads(raw)
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    if content.get("format_version") != FORMAT_VERSION:
        found = content.get("format_version")
        raise ValueError(
            f"format_version is {found!r}, this program reads {FORMAT_VERSION}: train the model again"
        )
    checksums = content.pop("sha256", None)
    return _Checksums.model_validate({"manifest": content, "sha256": checksums})
