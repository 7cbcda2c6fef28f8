"""All sessions under all policies, on as many processes as are given."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import active_children, get_context

from cache_client.policies import Policy
from cache_client.prefetch.score import ScoreWeights
from cache_client.rpc.errors import WorkerError
from cache_client.simulator.edge import replay_edge
from cache_client.simulator.metrics import Comparison, PolicyFigures, compare, figures
from cache_client.simulator.session import SessionPredictions, SessionResult, World, replay_session
from cache_client.simulator.trace import RecordedSession

BASELINE = "next-n-full"
"""The policy that the others are compared with."""

_SESSIONS_A_TASK = 16
_PLAYS_WORTH_A_PROCESS = 50_000

Results = dict[str, list[SessionResult]]


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """What a simulation found.

    Attributes:
        sessions: How many sessions were replayed.
        plays: How many plays they hold.
        world: Link, storage, cache and horizon.
        policies: Figures by policy.
        comparisons: Each policy but `none` against `next-n-full`, where that took part; and `advisor` against
            the best of the others.
    """

    sessions: int
    plays: int
    world: World
    policies: dict[str, PolicyFigures]
    comparisons: list[Comparison]


def simulate(
    sessions: Sequence[RecordedSession],
    policies: Mapping[str, Policy],
    predictions: Sequence[SessionPredictions],
    world: World,
    weights: ScoreWeights,
    advance: Callable[[int], None] = lambda replays: None,
    *,
    jobs: int | None = None,
    edge: bool = False,
) -> SimulationReport:
    """Replays every session under every policy.

    Args:
        sessions: At least one.
        policies: By name.
        predictions: For each session, what the server says at each play.
        world: Link, storage, cache and horizon.
        weights: Prices of a wait and of a wasted byte.
        advance: Called with the number of sessions replayed since, for a progress bar.
        jobs: Processes; None for as many as the work is worth.
        edge: Whether all sessions share one edge cache, instead of each having its client's.
    """
    if edge:
        results = replay_edge(sessions, policies, predictions, world, advance)
    else:
        results = replay_all(sessions, policies, predictions, world, advance, jobs=jobs)
    return report(sessions, results, world, weights)


def report(
    sessions: Sequence[RecordedSession], results: Results, world: World, weights: ScoreWeights
) -> SimulationReport:
    """Returns the figures of a simulation's results."""
    found = {name: figures(of_policy, weights) for name, of_policy in results.items()}
    pairs = [(name, BASELINE) for name in results if BASELINE in results and name not in (BASELINE, "none")]
    rivals = [name for name in results if name not in ("advisor", "oracle")]
    if "advisor" in results and rivals:
        next_best = max(rivals, key=lambda name: found[name].score)
        pairs += [("advisor", next_best)] if next_best != BASELINE else []
    return SimulationReport(
        sessions=len(sessions),
        plays=sum(len(session.plays) for session in sessions),
        world=world,
        policies=found,
        comparisons=[compare(a, b, results[a], results[b], weights) for a, b in pairs],
    )


def replay_all(
    sessions: Sequence[RecordedSession],
    policies: Mapping[str, Policy],
    predictions: Sequence[SessionPredictions],
    world: World,
    advance: Callable[[int], None] = lambda replays: None,
    *,
    jobs: int | None = None,
) -> Results:
    """Returns each policy's results in the sessions' order, the same for any number of processes.

    Raises:
        WorkerError: A process died.
    """
    replays = sum(len(session.plays) for session in sessions) * len(policies)
    jobs = jobs or (1 if replays < _PLAYS_WORTH_A_PROCESS else _cores())
    # Contexts are for the server: nothing in a replay reads them, and they are most of a session's size.
    bare = [replace(session, contexts=()) for session in sessions]
    tasks = [
        (bare[i : i + _SESSIONS_A_TASK], policies, predictions[i : i + _SESSIONS_A_TASK], world)
        for i in range(0, len(sessions), _SESSIONS_A_TASK)
    ]
    results: Results = {name: [] for name in policies}
    with _replays(tasks, jobs) as parts:
        for part in parts:
            for name, found in part.items():
                results[name] += found
                advance(len(found))
    return results


_Task = tuple[Sequence[RecordedSession], Mapping[str, Policy], Sequence[SessionPredictions], World]


def _replay(task: _Task) -> Results:
    sessions, policies, predictions, world = task
    return {
        name: [
            replay_session(session, policy, said, world)
            for session, said in zip(sessions, predictions, strict=True)
        ]
        for name, policy in policies.items()
    }


@contextmanager
def _replays(tasks: Sequence[_Task], jobs: int) -> Iterator[Iterator[Results]]:
    """Gives the tasks' results in order; processes end with the block, at once where it fails."""
    if jobs == 1:
        yield map(_replay, tasks)
        return
    others = set(active_children())
    # Processes start afresh: a fork would copy gRPC's threads.
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=get_context("spawn")) as pool:
        try:
            with _interrupts_ignored():
                waiting = deque(pool.submit(_replay, task) for task in tasks)
            yield _in_order(waiting)
        except BaseException as error:
            for process in set(active_children()) - others:
                process.terminate()
            if isinstance(error, BrokenProcessPool):
                raise WorkerError("a process of the simulation died; try fewer with --jobs") from error
            raise


def _in_order(waiting: "deque[Future[Results]]") -> Iterator[Results]:
    """Gives results one after the other, and lets go of them.

    Not `Executor.map`: it cancels what is left when it fails, and a pool of Python 3.11 whose processes end
    at that moment stumbles over that, and then never ends.
    """
    while waiting:
        yield waiting.popleft().result()


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Has processes that start now leave Ctrl-C, which reaches all of a terminal's, to this one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
