"""A generated data set with defects planted in it, line by line."""

import json
import os
from collections import deque
from pathlib import Path
from typing import BinaryIO

import numpy as np

from data import generate
from data.schema import DATASET_FILES
from tests.data.defects.defects import DEFECTS, Defect
from tests.data.defects.planters import Record

PLACES = 3
"""Lines that a defect is planted on; fewer where a file is short."""

_LINES_PER_PLACE = 4


def generate_with_defects(
    directory: Path, *, listeners: int, tracks: int, plays: int, seed: int = 42
) -> None:
    """Writes a synthetic data set with every defect of `DEFECTS` planted on up to `PLACES` lines."""
    generate(directory, listeners=listeners, tracks=tracks, plays=plays, seed=seed)
    left = _plant_all(directory, np.random.default_rng(seed))
    assert not left, f"too few listeners, tracks or plays for {left[0].name!r}"


def _plant_all(folder: Path, rng: np.random.Generator) -> tuple[Defect, ...]:
    """Plants in every file; returns the defects that found no line."""
    left: list[Defect] = []
    for contract in DATASET_FILES:
        of_file = [defect for defect in DEFECTS if defect.file is contract]
        left += _plant(folder / contract.file_name, of_file, rng)
    return tuple(left)


def _plant(path: Path, defects: list[Defect], rng: np.random.Generator) -> set[Defect]:
    """Plants a file's defects; returns those that found no line at all."""
    if not defects:
        return set()
    with path.open("rb") as lines:
        n_lines = sum(1 for _ in lines)
    places = max(1, min(PLACES, n_lines // (_LINES_PER_PLACE * len(defects))))
    # In the first three quarters, so that a defect may wait for a line that fits.
    chosen = np.sort(rng.integers(0, 1 + 3 * n_lines // 4, places * len(defects))).tolist()
    order = rng.permutation(places * len(defects)).tolist()
    due = deque((line, defects[i % len(defects)]) for line, i in zip(chosen, order, strict=True))
    planted = path.with_suffix(".planted")
    with path.open("rb") as lines, planted.open("wb") as out:
        left = _rewrite(lines, out, due)
    os.replace(planted, path)
    return left


def _rewrite(lines: BinaryIO, out: BinaryIO, due: deque[tuple[int, Defect]]) -> set[Defect]:
    """Copies lines, each defect planted on the first that fits from the line on at which it is due."""
    waiting: list[Defect] = []
    done: set[Defect] = set()
    before: bytes | None = None
    for number, line in enumerate(lines):
        while due and due[0][0] <= number:
            waiting.append(due.popleft()[1])
        defect, written = _first_that_fits(waiting, line, before) if waiting else (None, [line])
        out.writelines(written)
        before = line if defect is None else None
        if defect is not None:
            waiting.remove(defect)
            done.add(defect)
    return {defect for defect in (*waiting, *(defect for _, defect in due)) if defect not in done}


def _first_that_fits(
    waiting: list[Defect], line: bytes, before: bytes | None
) -> tuple[Defect | None, list[bytes]]:
    record: Record = json.loads(line)
    earlier: Record | None = None if before is None else json.loads(before)
    for defect in waiting:
        planted = defect.plant(record, earlier)
        if planted is not None:
            return defect, [_encoded(item) for item in planted]
    return None, [line]


def _encoded(item: Record | bytes) -> bytes:
    return (item if isinstance(item, bytes) else json.dumps(item).encode()) + b"\n"
