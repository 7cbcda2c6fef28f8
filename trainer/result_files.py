"""Where a run's results go: found out before the training whether they can, not after it."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from trainer.errors import TrainingError

STDOUT = Path("-")


def check_folder(directory: Path) -> None:
    """Creates a folder that files are to be written to; raises `TrainingError` where that cannot be."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{directory}: cannot be written: {error.strerror}") from error
    _check_access(directory)


def check_file(file: Path | None) -> None:
    """Creates the folder of a file that is to be written; raises `TrainingError` where that cannot be."""
    if file is None or file == STDOUT:
        return
    if file.is_dir():
        raise TrainingError(f"{file}: cannot be written: Is a directory")
    if file.exists():
        _check_access(file)  # Its folder need not be writable: that of /dev/null is not.
    else:
        check_folder(file.parent)


def _check_access(path: Path) -> None:
    wanted = os.W_OK | (os.X_OK if path.is_dir() else 0)
    if not os.access(path, wanted):
        raise TrainingError(f"{path}: cannot be written: Permission denied")


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Writes results as JSON; `-` is standard output. Raises `TrainingError` where that cannot be."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    if file == STDOUT:
        sys.stdout.write(text)
        return
    write_text(file, text)


def write_text(file: Path, text: str) -> None:
    """Writes a file, and its folder when missing. Raises `TrainingError` where that cannot be."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise TrainingError(f"{file}: cannot be written: {error.strerror}") from error
