"""The registry: a folder of artifacts, `<name>/<version>/`."""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from models.artifact import FILES, SAVING, Artifact, ArtifactError, save

Fingerprint = tuple[tuple[int, int, int], ...]
"""A version's files as inode, size in bytes and time of change in ns; (0, 0, 0) for one that is not there."""

_VERSION = re.compile(r"[1-9][0-9]{0,8}")
# Every version that a name ever had, one a line: a number is not given again when its folder has gone.
_GIVEN = ".versions"


@dataclass(frozen=True)
class Registry:
    """Finds artifacts by name and version; a folder that does not exist is an empty registry.

    Attributes:
        root: Folder that holds one folder a model name.
    """

    root: Path

    def names(self) -> list[str]:
        """Returns the names that have a complete version, sorted."""
        return sorted(entry.name for entry in self._folders() if self.versions(entry.name))

    def versions(self, name: str) -> list[str]:
        """Returns the name's complete versions, oldest first."""
        return [version for version in self._numbered(name) if self._is_complete(name, version)]

    def scan(self) -> dict[tuple[str, str], Fingerprint]:
        """Returns the fingerprint of every version, complete or not, by name and version.

        A version whose fingerprint is another than before was added, completed or changed meanwhile.
        """
        return {
            (folder.name, version): _fingerprint(folder / version)
            for folder in sorted(self._folders())
            for version in self._numbered(folder.name)
        }

    def path(self, name: str, version: str) -> Path:
        """Returns where that version is, or would be."""
        return self.root / name / version

    def next_version(self, name: str) -> str:
        """Returns the version to write next: one more than any that the name has or had."""
        try:
            given = (self.root / name / _GIVEN).read_text(encoding="utf-8").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            given = []
        taken = [*self._numbered(name), *filter(_VERSION.fullmatch, given)]
        return str(max(map(int, taken), default=0) + 1)

    def add(self, artifact: Artifact) -> Artifact:
        """Writes a model as the next version of its name, and removes what writers that died left there.

        Returns:
            The model with its version, which is never given again, whatever becomes of this one.

        Raises:
            ArtifactError: It cannot be written.
        """
        name = artifact.manifest.name
        folder = self.root / name
        try:
            with _sole_writer(folder) as given:
                for abandoned in folder.glob(f"{SAVING}*"):
                    shutil.rmtree(abandoned, ignore_errors=True)
                version = self.next_version(name)
                print(version, file=given, flush=True)
                os.fsync(given.fileno())
                manifest = artifact.manifest.model_copy(update={"version": version})
                numbered = replace(artifact, manifest=manifest)
                save(numbered, folder / version)
        except OSError as error:
            raise ArtifactError(
                folder, f"cannot be written: {error.strerror or type(error).__name__}"
            ) from error
        return numbered

    def _folders(self) -> list[Path]:
        return [entry for entry in _entries(self.root) if entry.is_dir() and not entry.name.startswith(".")]

    def _numbered(self, name: str) -> list[str]:
        found = [entry.name for entry in _entries(self.root / name) if _VERSION.fullmatch(entry.name)]
        return sorted(found, key=int)

    def _is_complete(self, name: str, version: str) -> bool:
        return all((self.path(name, version) / file).is_file() for file in FILES)


@contextmanager
def _sole_writer(folder: Path) -> Iterator[TextIO]:
    """Yields a name's list of given versions to append to, while no other process adds to the name.

    The lock goes with its process, however that ends: whoever holds it knows that a folder that is still
    being written has no writer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _GIVEN).open("a", encoding="utf-8") as given:
        fcntl.flock(given, fcntl.LOCK_EX)
        yield given


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _fingerprint(directory: Path) -> Fingerprint:
    return tuple(_file_fingerprint(directory / file) for file in FILES)


def _file_fingerprint(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)
