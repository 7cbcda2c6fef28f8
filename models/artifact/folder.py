"""The artifact's folder: written in one piece, and safe to load from a stranger.

It holds `manifest.json`, `weights.safetensors`, `genres.json`, `encoder.safetensors` and
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

from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError

from data.errors import printable
from models.artifact.checks import unpack_encoder, unpack_layers, unpack_skip_times
from models.artifact.contents import (
    GenresFile,
    Layer,
    pack_encoder,
    pack_genres,
    pack_layers,
    pack_skip_times,
)
from models.artifact.manifest import FORMAT_VERSION, Manifest
from models.features import InputEncoder
from models.listening_curve import SkipTimes, uniform_skip_times

MANIFEST = "manifest.json"
WEIGHTS = "weights.safetensors"
GENRES = "genres.json"
ENCODER = "encoder.safetensors"
SKIP_TIMES = "skip_times.safetensors"
FILES = (MANIFEST, WEIGHTS, GENRES, ENCODER, SKIP_TIMES)
SAVING = ".saving-"
"""How the name of a folder begins that is still being written."""


class ArtifactError(Exception):
    """An artifact cannot be read or written; its text is one line.

    Attributes:
        path: The artifact's folder.
        problem: What is wrong with it.
    """

    def __init__(self, path: Path, problem: str) -> None:
        """Stores the folder and the problem."""
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        """Returns the folder and the problem on one line."""
        return printable(" ".join(f"{self.path}: {self.problem}".split()))


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


def save(artifact: Artifact, directory: Path) -> None:
    """Writes the artifact as a new folder: either all of it appears, or nothing does.

    Args:
        artifact: Model to write.
        directory: Folder to make; its parents are made too. `load` wants it to end in the model's name and
            version.

    Raises:
        ArtifactError: The folder exists already or cannot be written.
    """
    temporary = directory.parent / f"{SAVING}{directory.name}-{uuid.uuid4().hex}"
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
    """Returns the artifact in a folder, all of it checked.

    Raises:
        ArtifactError: It is missing, half-written, changed since, of another format version, or a copy of
            another version; or its parts do not fit together, or hold a NaN.
    """
    raw = _read(directory, MANIFEST)
    with _parsing(directory, MANIFEST):
        manifest, checksums = _checked_manifest(raw)
    _check_place(directory, manifest)
    contents = {MANIFEST: raw}
    for name in (WEIGHTS, GENRES, ENCODER, SKIP_TIMES):
        contents[name] = _read(directory, name)
        if hashlib.sha256(contents[name]).hexdigest() != checksums.get(name):
            raise ArtifactError(directory, f"{name} differs from its checksum in {MANIFEST}")
    with _parsing(directory, GENRES):
        genres = GenresFile.model_validate_json(contents[GENRES])
    with _parsing(directory, ENCODER):
        inputs = unpack_encoder(genres, contents[ENCODER])
    with _parsing(directory, WEIGHTS):
        layers = unpack_layers(contents[WEIGHTS], inputs.n_inputs)
    with _parsing(directory, SKIP_TIMES):
        skip_times = unpack_skip_times(contents[SKIP_TIMES])
    return Artifact(manifest, inputs, layers, skip_times, _digest(contents))


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
    """Writes a folder's entries through to the disk."""
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
    """Raises whatever is wrong with a file's content as an `ArtifactError`."""
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


def _check_place(directory: Path, manifest: Manifest) -> None:
    """Raises for a version that was copied or renamed: one model would answer under two numbers."""
    *_, name, version = directory.absolute().parts
    if (name, version) != (manifest.name, manifest.version):
        stated = f"{manifest.name} version {manifest.version}"
        problem = f"the folder is named {name}/{version}, but its {MANIFEST} says {stated}"
        raise ArtifactError(directory, f"{problem}: a version cannot be copied or renamed, train another one")


def _checked_manifest(raw: bytes) -> tuple[Manifest, dict[str, str]]:
    content = json.loads(raw)
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    if content.get("format_version") != FORMAT_VERSION:
        found = content.get("format_version")
        raise ValueError(
            f"format_version is {found!r}, this program reads {FORMAT_VERSION}: train the model again"
        )
    checksums = TypeAdapter(dict[str, str]).validate_python(content.pop("sha256", None))
    return Manifest.model_validate(content), checksums
