"""`python -m cache_client simulate`."""

import asyncio
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cache_client.cli.console import (
    STANDARD_OUTPUT,
    check_writable,
    one_line_errors,
    progress_bar,
    write_json,
)
from cache_client.cli.laboratory_client import check_server_or_models, laboratory_client
from cache_client.cli.options import (
    AllowRefitted,
    Data,
    FastMs,
    Holdout,
    JsonFile,
    Lenient,
    MediumMs,
    Model,
    Server,
    SlowMs,
    TlsCa,
    TlsCert,
    TlsKey,
    TokenFile,
    number,
)
from cache_client.cli.rationed import Scenario, simulate_rationed
from cache_client.laboratory_errors import UsageError
from cache_client.policies import DEFAULT_POLICIES, POLICIES, TUNED, PolicyOptions, policies_named
from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.score import ScoreWeights
from cache_client.settings import CacheClientSettings

if TYPE_CHECKING:
    from cache_client.cli.seen_plays import ReplayedPlays
    from cache_client.replay.skip_estimate import SkipEstimate
    from cache_client.simulator import RecordedSession
    from cache_client.simulator.predictions import Predictions


class CacheLife(StrEnum):
    """How long a device's cache lasts."""

    FRESH = "fresh"
    KEPT = "kept"


def simulate(
    data: Data = None,
    scenario: Annotated[
        Scenario,
        typer.Option(help="rationed: whole tracks for all listeners from one budget of bytes, no link."),
    ] = Scenario.NEXT_TRACK,
    server: Server = None,
    models: Annotated[
        Path | None,
        typer.Option(help="Folder of a model registry: start a server with it, instead of --server."),
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help=f"A policy: {', '.join(POLICIES)}. Repeat for more.",
            show_default=", ".join(DEFAULT_POLICIES),
        ),
    ] = None,
    model: Model = "",
    json_file: JsonFile = None,
    html: Annotated[Path | None, typer.Option(help="Also write a report with pictures there.")] = None,
    holdout: Holdout = 0.2,
    horizon: Annotated[int, typer.Option(min=1, max=900, help="Upcoming tracks that a policy sees.")] = 10,
    next_n: Annotated[int, typer.Option(min=1, help="Whole tracks that a policy fetches.")] = 3,
    bandwidth_mbit: Annotated[float, number("Link, Mbit/s.", 0.01)] = 2.0,
    rtt_ms: Annotated[float, number("Round trip, ms.", 0.0)] = 50.0,
    bit_rate_kbit: Annotated[float, number("Audio, kbit/s: 96, 160, 320.", 1.0)] = 160.0,
    fast_ms: FastMs = 5.0,
    medium_ms: MediumMs = 50.0,
    slow_ms: SlowMs = 500.0,
    chunk_s: Annotated[float, number("Audio in a chunk; a play starts with one, s.", 0.1)] = 2.0,
    buffer_ahead_s: Annotated[
        float, number("The player streams so far ahead where no plan says otherwise, s.", 0.0)
    ] = 30.0,
    dropouts_per_hour: Annotated[
        float, number("How often the link carries nothing for a moment.", 0.0)
    ] = 6.0,
    dropout_s: Annotated[float, number("How long such a moment lasts on average, s.", 0.0)] = 1.5,
    link_trace: Annotated[
        list[Path] | None,
        typer.Option(
            help="A recorded link instead: lines of seconds and Mbit/s, or of milliseconds, one for each "
            "packet of 1,500 bytes (Mahimahi). Repeat for more: each session draws one."
        ),
    ] = None,
    new_devices: Annotated[
        bool,
        typer.Option(
            "--new-devices",
            help="No device has seen its link before; else it has while its listener listened.",
        ),
    ] = False,
    cache: Annotated[
        CacheLife, typer.Option(help="Whether a device's cache is kept from session to session.")
    ] = CacheLife.FRESH,
    cache_mb: Annotated[float, number("The cache, MB (10⁶ bytes).", 0.0)] = 64.0,
    wait_weight: Annotated[float, number("Score: price of a second waited.", 0.0)] = 1.85,
    waste_weight: Annotated[float, number("Score: price of a Mbit never heard.", 0.0)] = 0.5,
    seed: Annotated[
        int, typer.Option(help="Seed of the dropouts, and of the tracks behind a session's end.")
    ] = 42,
    allow_refitted: AllowRefitted = False,
    lenient: Lenient = False,
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    token_file: TokenFile = None,
) -> None:
    """Replay recorded sessions over a simulated link, and compare prefetch policies.

    Score of a session = minutes heard - 1.85 a second waited - 0.5 a Mbit downloaded and never heard.
    """
    reached_by = {
        "server": server,
        "client_tls_ca": tls_ca,
        "client_tls_cert": tls_cert,
        "client_tls_key": tls_key,
        "client_token_file": token_file,
    }
    if scenario is Scenario.RATIONED:
        if policy or link_trace:
            unused = "--policy" if policy else "--link-trace"
            raise typer.BadParameter(
                "the rationed scenario has no link, and policies of its own", param_hint=unused
            )
        simulate_rationed(
            reached_by=reached_by,
            data=data,
            models=models,
            model=model,
            json_file=json_file,
            html=html,
            holdout=holdout,
            bit_rate_kbit=bit_rate_kbit,
            seed=seed,
            allow_refitted=allow_refitted,
            lenient=lenient,
        )
        return
    with one_line_errors():
        check_server_or_models(server, models)
        check_writable(json_file, html)
        settings = CacheClientSettings.load(**reached_by, data=data)
        try:
            delivery = Delivery(
                rtt_ms=rtt_ms,
                bit_rate_bit_per_s=bit_rate_kbit * 1e3,
                fast_ms=fast_ms,
                medium_ms=medium_ms,
                slow_ms=slow_ms,
                chunk_s=chunk_s,
                buffer_ahead_s=buffer_ahead_s,
            )
            weights = ScoreWeights(wait_weight, waste_weight)
        except ValueError as error:
            raise UsageError(str(error)) from error
        named = policies_named(policy or [], PolicyOptions(next_n, weights, seed))
        # Needed from here on only, and slow to import.
        from cache_client.cli.seen_plays import ReplayedPlays
        from cache_client.cli.simulation_output import show_report, to_json
        from cache_client.simulator import World, recorded_sessions
        from cache_client.simulator import simulate as run
        from cache_client.simulator.child_server import server_command
        from cache_client.simulator.link import LinkWorld
        from cache_client.simulator.link_traces import read_link_trace
        from cache_client.simulator.predictions import Predictions
        from cache_client.simulator.trace import earlier_sessions
        from cache_client.simulator.tuning import REPLAYS, SESSIONS, tuned_constants
        from data import plays, print_repairs, read_dataset

        traces = tuple(read_link_trace(file) for file in link_trace or [])
        world = World(
            delivery,
            LinkWorld(bandwidth_mbit * 1e6, dropouts_per_hour, dropout_s, traces),
            round(cache_mb * 1e6),
            cache is CacheLife.KEPT,
            not new_devices,
            horizon,
            seed,
        )
        dataset = read_dataset(settings.data_directory, lenient=lenient)
        print_repairs(dataset.repairs)
        recorded = plays(dataset)
        how: Any = {"holdout": holdout, "continuation": horizon, "seed": seed}
        sessions = recorded_sessions(recorded, dataset.catalogue, **how)
        own_server = server_command(settings.data_directory, models, lenient=lenient) if models else None
        predictions, estimate = Predictions([() for _ in sessions]), None
        if any(it.needs_predictions for it in named.values()):
            replayed = ReplayedPlays(dataset.digest, holdout, allow_refitted)
            asking = _ask(sessions, replayed, horizon, model, settings, own_server)
            predictions, estimate = asyncio.run(asking)
        if TUNED in named:
            training = earlier_sessions(recorded, dataset.catalogue, **how, most=SESSIONS)
            with progress_bar("tuning", REPLAYS * len(training)) as advance:
                named[TUNED] = tuned_constants(training, world, weights, advance)
        with progress_bar("simulating", len(sessions) * len(named)) as advance:
            report = run(sessions, named, predictions.by_session, world, weights, advance)
        if json_file != STANDARD_OUTPUT:
            show_report(report, named, predictions, estimate)
        options = {"holdout": holdout, "next_n": next_n, "weights": asdict(weights)}
        write_json(to_json(report, named, predictions, options, estimate), json_file)
        if html is not None:
            from cache_client.report import n_steps, write_report

            with progress_bar("drawing", n_steps(world)) as advance:
                write_report(html, sessions, named, predictions, weights, report, estimate, advance)


async def _ask(
    sessions: "list[RecordedSession]",
    replayed: "ReplayedPlays",
    horizon: int,
    model: str,
    settings: CacheClientSettings,
    own_server: list[str] | None,
) -> "tuple[Predictions, SkipEstimate | None]":
    """Asks the server of the settings, or one that is started by a command, once its models are checked."""
    from cache_client.replay.skip_estimate import estimate_skips
    from cache_client.simulator.predictions import predict_sessions
    from cache_client.simulator.training_overlap import asked_models

    async with laboratory_client(settings, own_server) as client:
        replayed.check_unseen_by(asked_models(await client.list_models(), model))
        with progress_bar("predicting", 2 * len(sessions)) as advance:
            options: Any = {"model": model, "concurrency": settings.concurrency, "advance": advance}
            predictions = await predict_sessions(client, sessions, horizon=horizon, **options)
            return predictions, await estimate_skips(client, sessions, **options)
