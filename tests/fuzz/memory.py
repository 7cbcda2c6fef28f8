"""What a run may take, and how much memory this process has."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

MOST_S = 1.0
"""Processor time that no input may take, in seconds; what else the machine does is not counted."""

_MEMORY = Path("/dev/shm")


def resident_bytes() -> int:
    """Returns how much of this process is in the machine's memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def memory_folder() -> "TemporaryDirectory[str]":
    """Returns a temporary folder, in memory where there is such a place: a million writes spare the disk."""
    return TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None)
