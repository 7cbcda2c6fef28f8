"""What the sessions say: means with their intervals, by algorithm, network and half of the traces."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.table import Table
from scipy.stats import bootstrap

from benchmarks.challenge.session import NETWORKS, Row

HALVES = ("development", "held out")
"""The traces of even numbers, on which the rule was chosen, and the others."""

RIVAL = "no_save"
"""What the challenge measures gains against."""

_LEAD = f"over {RIVAL}"

GOALS = {"low": 28.0, "medium": 40.0, "high": 50.0}
"""What the challenge's winner would have: its published gain over no_save, on no_save's figures."""

_MEANS = ("quality", "stalled_s", "switches", "downloaded_mbit", "wasted_mbit", "idle_s")

Figures = dict[str, Any]


def half(trace: int) -> str:
    """Returns the half of the traces that one belongs to."""
    return HALVES[trace % 2]


def figures(rows: Sequence[Row]) -> list[Figures]:
    """Returns one entry an algorithm, network and half, in the order in which they ran."""
    found = []
    for part in HALVES:
        for algorithm, network in dict.fromkeys((it.algorithm, it.network) for it in rows):
            mine = _of(rows, algorithm, network, part)
            if mine:
                scores, rivals = by_user(mine), by_user(_of(rows, RIVAL, network, part))
                means = {name: float(np.mean([asdict(it)[name] for it in mine])) for name in _MEANS}
                place = {"half": part, "network": network, "algorithm": algorithm, "sessions": len(mine)}
                entry = {**place, "score": float(scores.mean()), "score_ci95": _ci95(scores), **means}
                if algorithm != RIVAL and len(rivals) == len(scores):
                    lead = scores - rivals
                    entry |= {_LEAD: float(lead.mean()), f"{_LEAD}_ci95": _ci95(lead)}
                found.append(entry)
    return found


def _of(rows: Iterable[Row], algorithm: str, network: str, part: str) -> list[Row]:
    wanted = algorithm, network, part
    return [it for it in rows if (it.algorithm, it.network, half(it.trace)) == wanted]


def by_user(rows: Iterable[Row]) -> NDArray[np.float64]:
    """Returns the users' mean scores, by user; (n_users,).

    Users are what is drawn again for an interval: their sessions over several traces are alike.
    """
    scores: dict[int, list[float]] = {}
    for row in rows:
        scores.setdefault(row.user, []).append(row.score)
    return np.array([np.mean(scores[user]) for user in sorted(scores)])


def _ci95(scores: NDArray[np.float64]) -> list[float]:
    """Returns the mean's percentile bootstrap interval over users; one user has no spread."""
    if len(scores) < 2:
        return [float(scores[0])] * 2
    drawn = bootstrap(
        (scores,), np.mean, n_resamples=2_000, method="percentile", rng=np.random.default_rng(0)
    )
    return [float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)]


def table(found: Iterable[Figures], part: str) -> Table:
    """Returns one half's table: seconds, Mbit, and Mbit/s summed over the seconds watched."""
    title = f"{part}: mean of a session, and 95 % interval over users"
    shown = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("network", "algorithm"):
        shown.add_column(heading, no_wrap=True)
    for heading in ("score", _LEAD, "rate", "stalls", "switches", "down", "wasted", "idle"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for it in sorted(found, key=lambda entry: NETWORKS.index(entry["network"])):
        if it["half"] == part:
            means = [f"{it[name]:.1f}" for name in _MEANS]
            intervals = _interval(it, "score"), _interval(it, _LEAD)
            shown.add_row(it["network"], it["algorithm"], *intervals, *means)
    return shown


def _interval(entry: Figures, name: str) -> str:
    if name not in entry:
        return ""
    low, high = entry[f"{name}_ci95"]
    return f"{entry[name]:.1f} ({low:.1f} to {high:.1f})"


def goals(found: Iterable[Figures], algorithm: str) -> Iterator[tuple[str, str, bool]]:
    """Yields (promise, what was measured, whether that keeps it), on the traces held out."""
    for it in found:
        if (it["half"], it["algorithm"]) == (HALVES[1], algorithm):
            goal = GOALS[it["network"]]
            yield (
                f"{algorithm} has {goal:g} points on {it['network']}",
                f"{it['score']:.1f}",
                it["score"] >= goal,
            )
