"""Files that an operator writes: small, strictly checked, and wrong in one line that names the place."""

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from server.errors import StartError

_MAX_BYTES = 256 << 10  # a hundred arms with the longest names take a fifth of it
_MAX_DOTS = 256  # tomllib's time grows with the square of a dotted key's parts: 27 s for 40,000

Model = TypeVar("Model", bound=BaseModel)


def read_toml(path: Path, what: str, model: type[Model]) -> Model:
    """Returns what a TOML file says.

    Args:
        path: The file.
        what: What it is, for the message: "experiment file".
        model: What it may say.

    Raises:
        StartError: When it cannot be read or is wrong; names the place.
    """
    try:
        content = read_small_file(path, what)
        if max(line.count(b".") for line in content.split(b"\n")) > _MAX_DOTS:
            raise ValueError(f"more than {_MAX_DOTS} dots on one line")
        return model.model_validate(tomllib.loads(content.decode("utf-8")))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(_shown, first["loc"]))
        raise StartError(f"{path}: {place + ': ' if place else ''}{first['msg']}") from None
    except ValueError as error:  # TOML's, or UTF-8's
        raise StartError(f"{path}: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise StartError(f"{path}: nested too deeply") from None


def read_small_file(path: Path, what: str) -> bytes:
    """Returns a file's content; a pipe would never end, and a huge file fill the memory.

    Raises:
        StartError: When it cannot be read, is no file or too large.
    """
    try:
        if not path.is_file() and path.exists():
            raise StartError(f"{path}: not a file")
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise StartError(f"cannot read the {what} {path}: {error.strerror}") from error
    except ValueError as error:  # a path that no file can have
        raise StartError(f"{path}: {error}") from error
    if len(content) > _MAX_BYTES:
        raise StartError(f"{path}: larger than {_MAX_BYTES >> 10} KiB")
    return content


def _shown(part: str | int) -> str:
    """Returns a part of a place in the file, a key there, as it can be shown on one line."""
    text = str(part)
    return text if text.isprintable() else repr(text)
