"""Experiments read every day: how often is a winner claimed where there is none, what does a true one take?

The report decides by the report's own functions; beside it stand the rule that it went by earlier and a plain
Welch t test, read every day and at the end alone.
"""

import json
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from scipy.stats import beta

from benchmarks.peeks.rivals import pooled_mixture_claims, welch_claims
from benchmarks.peeks.worlds import World, equal_worlds, simulate
from server.report.moments import Moments
from server.report.rule import ALPHA, judge

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

POWER = (
    World("power-50", 0.78, 5, 12_000, alike=0.2, gain=0.02, splits=(0.5,)),
    World("power-5", 0.78, 5, 60_000, alike=0.2, gain=0.02, splits=(0.05,)),
)
"""Experiments with a true difference of two points of accuracy."""

_FORMER_EFFECTS = {"accuracy": 0.05, "brier": 0.02, "log_loss": 0.05}
_POWER = 0.8

Row = dict[str, str | float]


@app.command(epilog="Example: python -m benchmarks.peeking --only accuracy-0.9-plays-1 --runs 200")
def main(
    only: Annotated[list[str] | None, typer.Option(help="Only this world; may be repeated.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Experiments of each world.")] = 2000,
    seed: Annotated[int, typer.Option(help="Of the random numbers.")] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all rows there, as they come.")
    ] = None,
) -> None:
    """Measure how often 28 daily looks claim a winner, without a difference and with one."""
    known = [*equal_worlds(), *POWER]
    if unknown := set(only or ()) - {world.name for world in known}:
        raise typer.BadParameter(f"no such world: {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    for world in known:
        if only and world.name not in only:
            continue
        for row in _power_rows(world, runs, seed) if world.gain else _equal_rows(world, runs, seed):
            print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
            rows.append(row)
        if json_file is not None:
            json_file.write_text(json.dumps({"runs": runs, "seed": seed, "rows": rows}, indent=1) + "\n")


def _equal_rows(world: World, runs: int, seed: int) -> Iterable[Row]:
    """Yields, for each split, how often each rule claims a difference; all in percent of the runs."""
    groups = _simulate(world, runs, seed)
    metric = "log_loss" if world.metric.startswith("log_loss") else world.metric
    for at, split in enumerate(world.splits):
        small, large = _sum(groups, range(at + 1)), _sum(groups, range(at + 1, len(world.splits) + 1))
        estimate, log_p_values = judge(large, small, metric)
        told = ~np.isnan(log_p_values)
        ours = np.asarray((log_p_values < np.log(ALPHA)).any(axis=1))
        one_look = (estimate.log_p_value[:, -1] < np.log(ALPHA)) & told[:, -1]
        welch = welch_claims(large, small)
        former = pooled_mixture_claims(large, small, _FORMER_EFFECTS[metric]).any(axis=1)
        yield {
            "world": world.name,
            "split": split,
            "past_too_early": _percent(np.asarray(told[:, -1])),
            "first_told_day": float(np.median(np.where(told.any(axis=1), told.argmax(axis=1) + 1, np.inf))),
            "ever_claimed": _percent(ours),
            "ever_claimed_upper95": round(100 * float(beta.ppf(0.975, ours.sum() + 1, runs - ours.sum())), 2),
            "one_look": _percent(np.asarray(one_look)),
            "former_rule": _percent(np.asarray(former)),
            "welch_daily": _percent(np.asarray(welch.any(axis=1))),
            "welch_at_the_end": _percent(welch[:, -1]),
        }


def _power_rows(world: World, runs: int, seed: int) -> Iterable[Row]:
    """Yields the outcomes by which a true difference is found in 80 % of the runs."""
    groups = _simulate(world, runs, seed)
    small, large = groups[:, 0], groups[:, 1]
    outcomes = (small.n + large.n).mean(axis=0)
    log_p_values = judge(large, small, world.metric)[1]
    found = np.logical_or.accumulate(log_p_values < np.log(ALPHA), axis=1)
    ours = _outcomes_at_power(outcomes, found)
    fixed = _outcomes_at_power(outcomes, welch_claims(large, small))
    first = found.argmax(axis=1)[found[:, -1]]
    yield {
        "world": world.name,
        "split": world.splits[0],
        "outcomes_read_daily": round(ours),
        "outcomes_fixed_horizon": round(fixed),
        "ratio": round(ours / fixed, 2),
        "mean_outcomes_when_found": round(float(outcomes[first].mean())),
        "found_by_the_end": _percent(found[:, -1]),
    }


def _outcomes_at_power(outcomes: NDArray[np.float64], found: NDArray[np.bool_]) -> float:
    """Returns, between two days, the outcomes by which 80 % of the runs have found the difference."""
    return float(np.interp(_POWER, np.maximum.accumulate(found.mean(axis=0)), outcomes))


def _simulate(world: World, runs: int, seed: int) -> Moments:
    """Returns the moments of all runs, (runs, n_groups, n_days)."""
    random = np.random.default_rng(seed)
    told = Console(stderr=True)
    found = [
        simulate(world, random)
        for _ in track(range(runs), world.name, console=told, transient=True, disable=not told.is_terminal)
    ]
    return Moments(*(np.stack([getattr(each, f.name) for each in found]) for f in fields(Moments)))


def _sum(groups: Moments, chosen: Iterable[int]) -> Moments:
    """Returns the moments of several groups together, (runs, n_days)."""
    places = list(chosen)
    return Moments(*(getattr(groups, f.name)[:, places].sum(axis=1) for f in fields(Moments)))


def _percent(true: NDArray[np.bool_]) -> float:
    return round(100 * float(np.mean(true)), 2)


if __name__ == "__main__":
    app()
