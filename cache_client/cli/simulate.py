"""`python -m cache_client simulate`."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cache_client.cli.console import STANDARD_OUTPUT, load_settings, one_line_errors, progress_bar, write_json
from cache_client.cli.options import Data, Holdout, JsonFile, Lenient, Model, Server, number
from cache_client.delivery import Delivery
from cache_client.errors import UsageError
from cache_client.policies import POLICIES, Policy, PolicyOptions, policies_named
from cache_client.score import ScoreWeights
from cache_client.settings import CacheClientSettings

if TYPE_CHECKING:
    from cache_client.predictions import SessionPredictions
    from cache_client.simulator import RecordedSession


@dataclass(frozen=True, slots=True)
class _Source:
    """Where predictions come from: a server that runs (`target`), or models for one of our own (`models`)."""

    data: Path
    target: str
    models: Path | None
    model: str


def simulate(
    data: Data = None,
    server: Server = None,
    models: Annotated[
        Path | None,
        typer.Option(help="Folder of a model registry: start a server with it, instead of --server."),
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(help=f"A policy: {', '.join(POLICIES)}. Repeat for more.", show_default="all"),
    ] = None,
    model: Model = "",
    json_file: JsonFile = None,
    holdout: Holdout = 0.2,
    horizon: Annotated[int, typer.Option(min=1, max=900, help="Upcoming tracks that a policy sees.")] = 10,
    next_n: Annotated[int, typer.Option(min=1, help="Tracks that next-n fetches.")] = 3,
    bandwidth_mbit: Annotated[float, number("Link, Mbit/s.", 0.01)] = 2.0,
    rtt_ms: Annotated[float, number("Round trip, ms.", 0.0)] = 50.0,
    bit_rate_kbit: Annotated[float, number("Audio, kbit/s.", 1.0)] = 160.0,
    fast_ms: Annotated[float, number("First byte from FAST storage, ms.", 0.0)] = 5.0,
    medium_ms: Annotated[float, number("First byte from MEDIUM storage, ms.", 0.0)] = 50.0,
    slow_ms: Annotated[float, number("First byte from SLOW storage, ms.", 0.0)] = 500.0,
    chunk_s: Annotated[float, number("Audio in a chunk; a play starts with one, s.", 0.1)] = 2.0,
    buffer_ahead_s: Annotated[float, number("The player streams so far ahead, s.", 0.0)] = 30.0,
    cache_mb: Annotated[float, number("The client's cache, MB (10⁶ bytes).", 0.0)] = 64.0,
    wait_weight: Annotated[float, number("Score: price of a second waited.", 0.0)] = 1.85,
    waste_weight: Annotated[float, number("Score: price of a Mbit never heard.", 0.0)] = 0.5,
    seed: Annotated[int, typer.Option(help="Of the tracks put behind a session's end.")] = 42,
    lenient: Lenient = False,
) -> None:
    """Replay recorded sessions over a simulated link, and compare prefetch policies.

    Score of a session = minutes heard - 1.85 a second waited - 0.5 a Mbit downloaded and never heard.
    """
    delivery = Delivery(
        bandwidth_bit_per_s=bandwidth_mbit * 1e6,
        rtt_ms=rtt_ms,
        bit_rate_bit_per_s=bit_rate_kbit * 1e3,
        fast_ms=fast_ms,
        medium_ms=medium_ms,
        slow_ms=slow_ms,
        chunk_s=chunk_s,
        buffer_ahead_s=buffer_ahead_s,
    )
    with one_line_errors():
        if server is not None and models is not None:
            raise UsageError("give --server or --models, not both")
        if models is not None and not models.is_dir():
            raise UsageError(f"no such folder: {models}")
        settings = load_settings()
        weights = ScoreWeights(wait_weight, waste_weight)
        policies = policies_named(policy or [], PolicyOptions(next_n, weights))
        source = _Source(data or settings.data_directory, server or settings.server, models, model)
        # Needed from here on only, and slow to import.
        from cache_client.cli.simulation_output import show_report, to_json
        from cache_client.simulator import World, recorded_sessions
        from cache_client.simulator import simulate as run
        from data import plays, print_repairs, read_dataset

        dataset = read_dataset(source.data, lenient=lenient)
        print_repairs(dataset.repairs)
        sessions = recorded_sessions(
            plays(dataset), dataset.catalogue, holdout=holdout, continuation=horizon, seed=seed
        )
        predictions = asyncio.run(_predictions(policies, sessions, source, settings))
        world = World(delivery, round(cache_mb * 1e6), horizon)
        with progress_bar("simulating", len(sessions) * len(policies)) as advance:
            report = run(sessions, policies, predictions.probabilities, world, weights, advance)
        if json_file != STANDARD_OUTPUT:
            show_report(report, predictions)
        write_json(to_json(report, predictions, weights, holdout), json_file)


async def _predictions(
    policies: dict[str, Policy],
    sessions: "list[RecordedSession]",
    source: _Source,
    settings: CacheClientSettings,
) -> "SessionPredictions":
    """Asks a server, when any policy reads predictions; without one, no server is needed."""
    from cache_client.client import PredictionClient
    from cache_client.predictions import SessionPredictions, predict_sessions
    from cache_client.server_process import running_server, server_command

    if not any(policy.needs_predictions for policy in policies.values()):
        return SessionPredictions([{} for _ in sessions])
    async with AsyncExitStack() as stack:
        target = source.target
        if source.models is not None:
            command = server_command(source.data, source.models)
            target = await stack.enter_async_context(running_server(command, settings.server_start_timeout_s))
        client = await stack.enter_async_context(PredictionClient(target, deadline_s=settings.deadline_s))
        with progress_bar("predicting", len(sessions)) as advance:
            return await predict_sessions(
                client, sessions, model=source.model, concurrency=settings.concurrency, advance=advance
            )
