"""Files and folders that appear whole or not at all: made beside their place, moved into it at one stroke."""

import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import DataError, reason


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yields a path to write to, which takes the place of `path` when the block ends well.

    When it does not, `path` stays as it was and nothing is left beside it. What is no file (`/dev/null`, a
    pipe) is never replaced, but written to as it is.

    Args:
        path: File to write; its folder is made when missing.

    Raises:
        DataError: The file cannot be written.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            yield path
            return
        with _beside(path) as (beside, target):
            fresh = beside / target.name
            yield fresh
            fresh.replace(target)
    except OSError as error:
        raise _cannot_write(path, error) from error


@contextmanager
def atomic_folder(directory: Path, what: str, ours: Collection[str]) -> Iterator[Path]:
    """Yields an empty folder to fill, which takes the place of `directory` when the block ends well.

    When it does not, `directory` stays as it was and nothing is left beside it.

    Args:
        directory: Folder to write; may be missing, empty, or hold an older `what` that is replaced.
        what: What is written, in words.
        ours: Names of all the files that a `what` may have.

    Raises:
        DataError: `directory` holds something else, or cannot be written.
    """
    require_replaceable(directory, what, ours)
    try:
        with _beside(directory) as (beside, target):
            fresh, old = beside / "new", beside / "old"
            fresh.mkdir()
            yield fresh
            _swap(fresh, target, old)
    except OSError as error:
        raise _cannot_write(directory, error) from error


def require_replaceable(directory: Path, what: str, ours: Collection[str]) -> None:
    """Refuses to replace a folder that holds anything but an older `what`.

    Args:
        directory: The folder, which may be missing.
        what: What would be written, in words.
        ours: Names of all the files that a `what` may have.

    Raises:
        DataError: It is no folder, holds something else, or cannot be looked into.
    """
    try:
        if not directory.exists():
            return
        if not directory.is_dir():
            raise DataError(directory, None, None, "not a folder: not overwritten")
        strangers = sorted(set(os.listdir(directory)) - set(ours))
    except OSError as error:
        raise _cannot_write(directory, error) from error
    if strangers:
        problem = f"the folder holds {strangers[0]!r}, which no {what} has: not overwritten"
        raise DataError(directory, None, None, problem)


@contextmanager
def _beside(path: Path) -> Iterator[tuple[Path, Path]]:
    """Yields an empty folder that is gone after the block, on the file system of what `path` leads to."""
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name[:100]}-", dir=target.parent) as beside:
        yield Path(beside), target


def _swap(fresh: Path, target: Path, old: Path) -> None:
    """Moves the fresh folder into its place; when that fails, what was there is back again."""
    if target.exists():
        target.rename(old)
    try:
        fresh.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise


def _cannot_write(path: Path, error: OSError) -> DataError:
    return DataError(path, None, None, f"cannot write: {reason(error)}")
