"""Recorded links from files, in the two usual formats."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np

from cache_client.laboratory_errors import UsageError
from cache_client.simulator.link import LinkTrace

_PACKET_BYTES = 1500
"""What one delivery of a Mahimahi trace carries."""

_LONGEST_S = 7 * 24 * 3600.0

_SHORTEST_S = 0.001
"""On average: a simulation steps from change to change, and would not end."""

_BIN_MS = 500
"""Packets are counted over so long: a single one says nothing of a rate."""


def read_link_trace(file: Path) -> LinkTrace:
    """Returns the link of a file.

    Each line holds either a time in seconds and a bandwidth in Mbit/s, from then on (the last one lasts as
    long as the one before it), or a time in milliseconds at which a packet of 1,500 bytes can be delivered
    (Mahimahi).

    Raises:
        UsageError: The file cannot be read, is neither, or carries nothing.

    Source:
        Netravali et al., "Mahimahi: Accurate Record-and-Replay for HTTP", USENIX ATC 2015.
    """
    try:
        rows = [line.replace(",", " ").split() for line in file.read_text(encoding="utf-8").splitlines()]
        numbers = [[float(it) for it in row] for row in rows if row and not row[0].startswith("#")]
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{file} is no link trace: {' '.join(str(error).split())}") from error
    widths = {len(row) for row in numbers}
    if widths not in ({1}, {2}):
        raise UsageError(f"{file} is no link trace: lines of one number (Mahimahi) or two (s, Mbit/s) wanted")
    if any(not math.isfinite(it) or it < 0 for row in numbers for it in row):
        raise UsageError(f"{file} is no link trace: a number is negative or not finite")
    times = [row[0] for row in numbers]
    if times != sorted(times):
        raise UsageError(f"{file} is no link trace: its times do not rise")
    if times[-1] - times[0] > _LONGEST_S * (1000 if widths == {1} else 1):
        raise UsageError(f"{file} is no link trace: it lasts longer than a week")
    trace = _packets(file.name, times) if widths == {1} else _columns(file, numbers)
    if trace.mean_bytes_per_s <= 0:
        raise UsageError(f"{file} carries nothing")
    return trace


def _packets(name: str, times_ms: list[float]) -> LinkTrace:
    from_start_ms = np.array(times_ms) - times_ms[0]
    bins = max(1, math.ceil((from_start_ms[-1] + 1) / _BIN_MS))
    counts = np.bincount(from_start_ms.astype(np.int64) // _BIN_MS, minlength=bins)
    seconds = _BIN_MS / 1000
    return LinkTrace(name, [seconds] * len(counts), (counts * _PACKET_BYTES / seconds).tolist())


def _columns(file: Path, rows: list[list[float]]) -> LinkTrace:
    if len(rows) < 2:
        raise UsageError(f"{file} is no link trace: two lines are needed at least")
    times = [row[0] for row in rows]
    durations = [after - before for before, after in pairwise(times)]
    durations.append(durations[-1])
    pieces = [(span, mbit * 1e6 / 8) for span, (_, mbit) in zip(durations, rows, strict=True) if span > 0]
    if not pieces:
        raise UsageError(f"{file} is no link trace: its times do not rise")
    if sum(span for span, _ in pieces) / len(pieces) < _SHORTEST_S:
        raise UsageError(
            f"{file} is no link trace: less than a millisecond a line; are its times in seconds?"
        )
    return LinkTrace(file.name, [it[0] for it in pieces], [it[1] for it in pieces])
