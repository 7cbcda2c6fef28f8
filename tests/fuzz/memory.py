"""How much memory this process has."""

import os
from pathlib import Path


def resident_bytes() -> int:
    """Returns how much of it is in the machine's memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
