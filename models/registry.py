"""The registry: a folder of artifacts, `<name>/<version>/`."""

import re
from dataclasses import dataclass
from pathlib import Path

from models.artifact import FILES

Fingerprint = tuple[tuple[int, int, int], ...]
"""A version's files as inode, size in bytes and time of change in ns; (0, 0, 0) for one that is not there."""

_VERSION = re.compile(r"[1-9][0-9]{0,8}")


class UnknownModelError(Exception):
    """The registry holds no complete artifact of that name, or not that version of it."""


@dataclass(frozen=True)
class Registry:
    """Finds artifacts by name and version; a folder that does not exist is an empty registry.

    Attributes:
        root: Folder that holds one folder a model name.
    """

    root: Path

    def names(self) -> list[str]:
        """Returns the names that have a complete version, sorted."""
        folders = [
            entry for entry in _entries(self.root) if entry.is_dir() and not entry.name.startswith(".")
        ]
        return sorted(folder.name for folder in folders if self.versions(folder.name))

    def versions(self, name: str) -> list[str]:
        """Returns the name's complete versions, oldest first."""
        return [version for version in self._numbered(name) if self._is_complete(name, version)]

    def scan(self) -> dict[tuple[str, str], Fingerprint]:
        """Returns what every version's folder looks like, complete or not, by name and version.

        A version whose fingerprint is another than before was added, completed or changed meanwhile.
        """
        names = [entry.name for entry in _entries(self.root) if not entry.name.startswith(".")]
        return {
            (name, version): _fingerprint(self.path(name, version))
            for name in sorted(names)
            for version in self._numbered(name)
        }

    def newest(self, name: str) -> str:
        """Returns the name's newest complete version.

        Raises:
            UnknownModelError: There is none.
        """
        versions = self.versions(name)
        if not versions:
            raise UnknownModelError(f"{self.root}: no model named {name!r}")
        return versions[-1]

    def path(self, name: str, version: str) -> Path:
        """Returns where that version is, or would be."""
        return self.root / name / version

    def next_version(self, name: str) -> str:
        """Returns the version to write next; one more than any folder there, so that none is replaced."""
        taken = self._numbered(name)
        return str(int(taken[-1]) + 1) if taken else "1"

    def _numbered(self, name: str) -> list[str]:
        found = [entry.name for entry in _entries(self.root / name) if _VERSION.fullmatch(entry.name)]
        return sorted(found, key=int)

    def _is_complete(self, name: str, version: str) -> bool:
        return all((self.path(name, version) / file).is_file() for file in FILES)


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
