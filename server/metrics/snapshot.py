"""What a worker shows beyond numbers that can be summed: its models, and calls that stand for others.

prometheus_client sums numbers over processes. It keeps no exemplars there, and the labels of a model that is
gone for ever. So each worker leaves these in a small file of its own, which ends with it.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from server.loaded_models import LoadedModels

LATENCY = "playthrough_call_seconds"
"""The metric whose buckets have exemplars."""

_PATTERN = "snapshot_{}.json"


class ModelState(msgspec.Struct, frozen=True):
    """A version of a model.

    Attributes:
        model: Its name.
        version: Its version.
        digest: Identifies the bytes of its artifact; empty for one that failed.
        state: Whether it answers requests that name no version, only those that do, or none.
        loaded_at: When it was loaded (Unix time); 0 for one that failed.
    """

    model: str
    version: str
    digest: str
    state: Literal["serving", "standby", "failed"]
    loaded_at: float = 0.0


class TimedExemplar(msgspec.Struct, frozen=True):
    """A call that stands for its bucket: its trace's or request's id, its seconds, and when (Unix time)."""

    id: str
    seconds: float
    at: float


Exemplars = dict[str, list[TimedExemplar | None]]
"""The latest call with an id of each bucket of the latencies, by method."""


class Snapshot(msgspec.Struct, frozen=True):
    """What one worker shows.

    Attributes:
        models: Its models.
        exemplars: Calls that stand for others.
    """

    models: Sequence[ModelState] = ()
    exemplars: Exemplars = {}


_decoder = msgspec.json.Decoder(Snapshot)


def states_of(library: LoadedModels) -> list[ModelState]:
    """Returns every version that is loaded or failed."""
    loaded = [
        ModelState(
            name,
            model.predictor.version,
            model.predictor.digest,
            "serving" if model is versions[0] else "standby",
            model.loaded_at.timestamp(),
        )
        for name, versions in library.loaded.items()
        for model in versions
    ]
    return loaded + [ModelState(failed.name, failed.version, "", "failed") for failed in library.failed]


def write_snapshot(directory: Path, snapshot: Snapshot) -> None:
    """Replaces this process's snapshot in a folder; readers see the old one or the new one."""
    path = directory / _PATTERN.format(os.getpid())
    new = path.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(snapshot))
    new.replace(path)


def read_snapshots(directory: Path) -> Iterator[Snapshot]:
    """Yields the snapshots of the workers that live."""
    for path in sorted(directory.glob(_PATTERN.format("*"))):
        with suppress(FileNotFoundError):  # it has just ended
            yield _decoder.decode(path.read_bytes())


def forget_snapshot(pid: int, directory: Path) -> None:
    """Removes the snapshot of a worker that has ended."""
    (directory / _PATTERN.format(pid)).unlink(missing_ok=True)


def latest_exemplars(snapshots: Iterable[Snapshot]) -> Exemplars:
    """Returns the latest exemplars, whichever worker they are from."""
    merged: Exemplars = {}
    for snapshot in snapshots:
        for method, ours in snapshot.exemplars.items():
            theirs = merged.get(method, [None] * len(ours))
            merged[method] = [max(each, key=_at) for each in zip(ours, theirs, strict=True)]
    return merged


def _at(exemplar: TimedExemplar | None) -> float:
    return 0.0 if exemplar is None else exemplar.at
