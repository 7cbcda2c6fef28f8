"""One user's sessions in the challenge's simulator, scored by its own `run.py`."""

import contextlib
import importlib
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.challenge.checkout import mended_copy

NETWORKS = ("low", "medium", "high")
N_TRACES = 20

BASELINES = {"no_save": (True, False), "fixed_preload": (False, True)}
"""The challenge's own algorithms: what `run.py` asks of each (baseline, quickstart)."""

ALGORITHMS = (*BASELINES, "advise", "chunk_planner")
"""All that is compared."""

_FIRST_SEED = 42
_SMOOTH = re.compile(r"^Causing smooth penalty:\s+([\d.]+)", re.MULTILINE)
_REBUF = re.compile(r"^You caused rebuf for Video\s+\d+\s+of\s+([\d.]+)", re.MULTILINE)
_SLEEP = re.compile(r"^You choose to sleep for\s+([\d.]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Row:
    """A session: one user's seven videos over one trace.

    Attributes:
        algorithm: Who chose what to fetch.
        network: The kind of network: low, medium or high.
        trace: The trace's number.
        user: The user's number.
        score: The challenge's: QoE less half of the Mbit downloaded.
        qoe: `quality` less 1.85 times the seconds stalled less `switches`.
        quality: Sum over the seconds watched of the bit rate, in Mbit/s.
        stalled_s: Seconds of stalling.
        switches: Sum of the bit rate's changes from second to second, in Mbit/s, as `run.py` counts them.
        downloaded_mbit: Downloaded, in Mbit (10⁶ bit).
        wasted_mbit: Of those, of seconds that nobody watched.
        idle_s: Seconds for which nothing was fetched, as the algorithm wished.
    """

    algorithm: str
    network: str
    trace: int
    user: int
    score: float
    qoe: float
    quality: float
    stalled_s: float
    switches: float
    downloaded_mbit: float
    wasted_mbit: float
    idle_s: float


def sessions(
    folder: Path,
    algorithm: str,
    network: str,
    users: Sequence[int],
    traces: Sequence[int],
    options: dict[str, Any] | None = None,
) -> Iterator[Row]:
    """Yields sessions as `run.py`'s `test_user_samples` runs them; to be called once in a process.

    `run.py` works in the current folder, and what it counts as a change of the bit rate depends on the
    sessions before, so that an algorithm and a network take a process, and order counts: user by user.

    Args:
        folder: The challenge's repository.
        algorithm: One of `ALGORITHMS`.
        network: One of `NETWORKS`.
        users: The users' numbers, from 0.
        traces: The traces' numbers.
        options: Arguments of our algorithm, where they are not the usual ones.
    """
    with mended_copy(folder, network) as copy:
        if algorithm not in BASELINES:
            (copy / "solution.py").write_text(
                "from benchmarks.challenge.solution import solution_named\n"
                f"Algorithm = solution_named({algorithm!r}, {options or {}!r})\n",
                encoding="utf-8",
            )
        os.chdir(copy)
        sys.argv = ["run.py"]
        sys.path.insert(0, str(copy))
        run: Any = importlib.import_module("run")
        loader = sys.modules["simulator.short_video_load_trace"]
        run.all_cooked_time, run.all_cooked_bw = loader.load_trace(f"data/network_traces/{network}/")
        for user in users:
            run.seeds = _seeds(user)
            for trace in traces:
                yield _session(run, algorithm, network, user, trace)
        os.chdir("/")


def _session(run: Any, algorithm: str, network: str, user: int, trace: int) -> Row:
    baseline, quickstart = BASELINES.get(algorithm, (False, False))
    name = algorithm if algorithm in BASELINES else "./"
    with contextlib.redirect_stdout(io.StringIO()):
        score, used_bytes, qoe, wasted_bytes, _ = run.test(baseline, quickstart, name, trace, user)
    run.log_file.close()
    log = Path(run.LOG_FILE).read_text(encoding="utf-8")
    stalled_s, switches = _sum(_REBUF, log) / 1000, _sum(_SMOOTH, log) / 1000
    return Row(
        algorithm,
        network,
        trace,
        user,
        score=float(score),
        qoe=float(qoe),
        quality=float(qoe) + run.beta * stalled_s + run.gamma * switches,
        stalled_s=stalled_s,
        switches=switches,
        downloaded_mbit=float(used_bytes) * 8 / 1e6,
        wasted_mbit=float(wasted_bytes) * 8 / 1e6,
        idle_s=_sum(_SLEEP, log) / 1000,
    )


def _seeds(user: int) -> Any:
    """Returns the seeds of a user's behaviour as `run.py`'s `test_user_samples` draws them."""
    np.random.seed(_FIRST_SEED)
    np.random.randint(100, size=(7, 2))
    of_users = np.random.randint(10000, size=(1001, 1))
    np.random.seed(of_users[user])
    return np.random.randint(10000, size=(7, 2))


def _sum(pattern: re.Pattern[str], log: str) -> float:
    return sum(float(found) for found in pattern.findall(log))
