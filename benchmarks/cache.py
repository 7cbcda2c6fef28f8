"""What the advisor buys: the claims about the cache, measured on sessions that no model has seen.

Train on the first 80 % of the plays first: python -m trainer --data DATA --models MODELS --split temporal
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from benchmarks.replay.goals import DEFAULT_MBIT, goals
from benchmarks.replay.tables import figures_table, goals_table
from cache_client.policies import PolicyOptions, policies_named
from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.score import ScoreWeights
from cache_client.replay.skip_estimate import OffPolicyEstimate, estimate_skips
from cache_client.rpc.client import PredictionClient
from cache_client.rpc.errors import CacheClientError
from cache_client.server_process import running_server, server_command
from cache_client.simulator import RecordedSession, SessionResult, World, recorded_sessions
from cache_client.simulator.metrics import bootstrap_ci95, figures, session_scores
from cache_client.simulator.predictions import Predictions, predict_sessions
from cache_client.simulator.simulation import replay_all
from data import DataError, generate, plays, read_dataset

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

BANDWIDTHS_MBIT = (0.5, 1.0, 2.0, 5.0, 20.0)
WEIGHTS = ScoreWeights()
CLOSE = ["none", "next-1-prefix", "next-n-full", "listener-rate", "advisor", "oracle"]
"""The policies that take part away from the default bandwidth: the others are far behind everywhere."""


@dataclass(frozen=True)
class Held:
    """Held-out sessions and what the server said of them."""

    sessions: list[RecordedSession]
    predictions: Predictions
    skips: OffPolicyEstimate | None


@app.command(epilog="Example: python benchmarks/cache.py --data ../shared/data/v2 --models var/bench/models")
def cache(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    models: Annotated[
        Path | None,
        typer.Option(help="Registry of models trained with --split temporal.", show_default="trains"),
    ] = None,
    model: Annotated[str, typer.Option(help="Model to ask; empty for the default one.")] = "contextual",
    draws: Annotated[int, typer.Option(min=1, help="Draws of the link's dropouts to average over.")] = 8,
    sample: Annotated[bool, typer.Option(help="Also measure a generated sample with another seed.")] = True,
    million: Annotated[bool, typer.Option(help="Also time a million simulated plays.")] = True,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON.")
    ] = None,
) -> None:
    """Prints the figures that the README claims of the cache, with their intervals."""
    console = Console()
    try:
        with TemporaryDirectory() as folder:
            found = {str(data): measure(data, models or trained(data, Path(folder) / "m"), model, draws)}
            if sample:
                other = Path(folder) / "sample"
                generate(other, seed=7)
                found["generated, seed 7"] = measure(other, trained(other, Path(folder) / "s"), model, draws)
            if million:
                found["a million plays"] = time_a_million(data)
    except (CacheClientError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    for name, figures_ in found.items():
        console.print(figures_table(name, figures_))
    kept = list(goals(found))
    console.print(goals_table(kept))
    if json_file is not None:
        found["goals"] = {goal.promise: {"found": goal.found, "met": goal.met} for goal in kept}
        json_file.write_text(json.dumps(found, indent=2) + "\n")


def trained(data: Path, models: Path) -> Path:
    """Trains every model on the first 80 % of the plays; returns the registry."""
    import subprocess

    command = [sys.executable, "-m", "trainer", "--data", str(data), "--models", str(models)]
    subprocess.run([*command, "--split", "temporal"], check=True, stdout=subprocess.DEVNULL)
    return models


async def ask(data: Path, models: Path, model: str, sessions: list[RecordedSession]) -> Held:
    """Asks a server of its own for all sessions."""
    async with (
        running_server(server_command(data, models), 120.0) as target,
        PredictionClient(target, deadline_s=30.0) as client,
    ):
        predictions = await predict_sessions(client, sessions, horizon=10, model=model)
        return Held(sessions, predictions, await estimate_skips(client, sessions, model=model))


def measure(data: Path, models: Path, model: str, draws: int) -> dict[str, Any]:
    """Returns the claims' figures on one data set."""
    dataset = read_dataset(data)
    sessions = recorded_sessions(plays(dataset), dataset.catalogue, holdout=0.2, continuation=10, seed=42)
    held = asyncio.run(ask(data, models, model, sessions))
    found: dict[str, Any] = {"sessions": len(sessions), "plays": sum(len(it.plays) for it in sessions)}
    for mbit in track(BANDWIDTHS_MBIT, f"{data}", console=Console(stderr=True)):
        found[f"at {mbit:g} Mbit/s"] = _at(held, mbit, draws)
    if held.skips is not None:
        low, high = held.skips.reduction_ci95
        found["fewer skips by the ranking, %"] = [100 * it for it in (held.skips.reduction, low, high)]
    return found


def _at(held: Held, mbit: float, draws: int) -> dict[str, Any]:
    """Returns the figures at one bandwidth, over several draws of its dropouts."""
    delivery = Delivery(bandwidth_bit_per_s=mbit * 1e6)
    policies = policies_named([] if mbit == DEFAULT_MBIT else CLOSE, PolicyOptions())
    results: dict[str, list[list[SessionResult]]] = {name: [] for name in policies}
    for seed in range(draws):
        world = World(delivery, seed=42 + seed)
        for name, of_policy in replay_all(
            held.sessions, policies, held.predictions.by_session, world
        ).items():
            results[name].append(of_policy)
    scores = {
        name: np.mean([session_scores(it, WEIGHTS) for it in found], axis=0)
        for name, found in results.items()
    }
    pooled = {
        name: figures([it for draw in found for it in draw], WEIGHTS) for name, found in results.items()
    }
    gain = _mean(scores["oracle"] - scores["none"])
    full = pooled["next-n-full"]
    found: dict[str, Any] = {
        "advisor's share of the oracle's gain, %": 100 * _mean(scores["advisor"] - scores["none"]) / gain,
        "wasted bytes against next-n-full, %": 100 * (pooled["advisor"].wasted_bytes / full.wasted_bytes - 1),
        "p95 start, ms": pooled["advisor"].startup_delay_p95_ms,
        "p95 start of next-n-full, ms": full.startup_delay_p95_ms,
    }
    rivals = [name for name in policies if name not in ("none", "advisor", "oracle")]
    for rival in sorted(rivals, key=lambda name: -scores[name].mean()):
        found[f"score over {rival}"] = _with_ci95(scores["advisor"] - scores[rival])
    found["scores"] = {name: _mean(it) for name, it in scores.items()}
    return found


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean())


def _with_ci95(values: NDArray[np.float64]) -> list[float]:
    return [_mean(values), *bootstrap_ci95((values,), np.mean)]


def time_a_million(data: Path) -> dict[str, Any]:
    """Times a million plays under the advisor, on all cores, with the sessions of the data set repeated."""
    dataset = read_dataset(data)
    once = recorded_sessions(plays(dataset), dataset.catalogue, holdout=1.0, continuation=10, seed=42)
    repeats = -(-1_000_000 // sum(len(it.plays) for it in once))
    sessions = [
        replace(it, session_id=str(int(it.session_id) * repeats + copy), contexts=())
        for copy in range(repeats)
        for it in once
    ]
    policies = policies_named(["advisor"], PolicyOptions())
    started_s = time.perf_counter()
    replay_all(sessions, policies, [()] * len(sessions), World())
    return {
        "simulated plays": sum(len(it.plays) for it in sessions),
        "seconds": time.perf_counter() - started_s,
    }


if __name__ == "__main__":
    app()
