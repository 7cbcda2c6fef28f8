"""An empty spool folder, and its file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.log.spool.file import SpoolFile
from tests.server.log.spool.contents import opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A spool's folder, not made yet."""
    return tmp_path / "spool"


@pytest.fixture
def file(folder: Path) -> Iterator[SpoolFile]:
    """Its file."""
    with opened(folder) as file:
        yield file
