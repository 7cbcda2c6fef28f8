"""What benchmarks of the cache replay: held-out sessions, predicted, and earlier ones to tune on."""

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cache_client import PredictionClient
from cache_client.replay.skip_estimate import SkipEstimate, estimate_skips
from cache_client.simulator import RecordedSession, recorded_sessions
from cache_client.simulator.child_server import running_server, server_command
from cache_client.simulator.predictions import Predictions, predict_sessions
from cache_client.simulator.trace import earlier_sessions
from cache_client.simulator.tuning import SESSIONS
from data import plays, read_dataset

HOLDOUT = 0.2
HORIZON = 10


@dataclass(frozen=True, slots=True)
class Material:
    """Sessions to replay, and what is known for them."""

    sessions: list[RecordedSession]
    predictions: Predictions
    skips: SkipEstimate | None
    earlier: list[RecordedSession]  # the latest before the held-out part, for constants to be tuned on


def trained(data: Path, models: Path) -> Path:
    """Trains every model on the first 80 % of the plays; returns the registry."""
    command = [sys.executable, "-m", "trainer", "--data", str(data), "--models", str(models)]
    subprocess.run([*command, "--split", "temporal"], check=True, stdout=subprocess.DEVNULL)
    return models


def replayed(data: Path, models: Path, model: str) -> Material:
    """Returns a data set's material, predicted by a server of the registry."""
    dataset = read_dataset(data)
    recorded = plays(dataset)
    sessions = recorded_sessions(recorded, dataset.catalogue, holdout=HOLDOUT, continuation=HORIZON, seed=42)
    earlier = earlier_sessions(
        recorded, dataset.catalogue, holdout=HOLDOUT, continuation=HORIZON, seed=42, most=SESSIONS
    )

    async def ask() -> tuple[Predictions, SkipEstimate | None]:
        async with (
            running_server(server_command(data, models), 120.0) as target,
            PredictionClient(target, deadline_s=30.0) as client,
        ):
            predictions = await predict_sessions(client, sessions, horizon=HORIZON, model=model)
            return predictions, await estimate_skips(client, sessions, model=model)

    predictions, skips = asyncio.run(ask())
    return Material(sessions, predictions, skips, earlier)
