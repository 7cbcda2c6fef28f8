"""A disk of its own for a folder, small enough to be filled: root mounts one, others go without."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

_SIZE_BYTES = 256 << 20
_BLOCK = b"\0" * (1 << 20)


class SmallDisk:
    """Mounts a file system in memory over a folder for the duration of a block, where that is allowed.

    Attributes:
        was_full: Whether it has ever been filled.
        reserve_bytes: What a spool on it should leave free.
    """

    reserve_bytes = 8 << 20

    def __init__(self, directory: Path) -> None:
        """Names the folder."""
        self.was_full = False
        self._directory = directory
        self._mounted = False

    def __enter__(self) -> Self:
        """Mounts it."""
        self._directory.mkdir(parents=True, exist_ok=True)
        if sys.platform == "linux" and os.geteuid() == 0:
            command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE_BYTES}", "tmpfs", str(self._directory)]
            self._mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Takes it away, also from who still has a file open there."""
        if self._mounted:
            subprocess.run(["umount", "--lazy", str(self._directory)], check=True)

    async def fill(self, for_s: float) -> bool:
        """Leaves no byte free for a while; returns False where there is no disk of our own."""
        if not self._mounted:
            return False
        self.was_full = True
        filler = self._directory / "filler"
        try:
            with filler.open("wb", buffering=0) as file:
                while file.write(_BLOCK) == len(_BLOCK):
                    pass
        except OSError:  # it is full
            pass
        try:
            await asyncio.sleep(for_s)
        finally:
            filler.unlink(missing_ok=True)
        return True
