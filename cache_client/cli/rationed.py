"""`python -m cache_client simulate --scenario rationed`."""

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cache_client.cli.console import (
    STANDARD_OUTPUT,
    check_writable,
    one_line_errors,
    progress_bar,
    write_json,
)
from cache_client.cli.laboratory_client import check_server_or_models, laboratory_client
from cache_client.laboratory_errors import UsageError
from cache_client.prefetch.delivery import Delivery
from cache_client.settings import CacheClientSettings

if TYPE_CHECKING:
    from cache_client.cli.seen_plays import ReplayedPlays
    from cache_client.rationed import Offers
    from cache_client.rationed.predictions import Predictions


class Scenario(StrEnum):
    """What `simulate` simulates."""

    NEXT_TRACK = "next-track"
    """What of the queue to have when, so that nobody waits."""
    RATIONED = "rationed"
    """Whole tracks for a fleet of listeners, from one budget of bytes."""


def simulate_rationed(
    *,
    reached_by: Mapping[str, Any],
    data: Path | None,
    models: Path | None,
    model: str,
    json_file: Path | None,
    html: Path | None,
    holdout: float,
    bit_rate_kbit: float,
    seed: int,
    allow_refitted: bool,
    lenient: bool,
) -> None:
    """Runs the scenario; the arguments are those of `simulate` that bear on it, its server's in one."""
    with one_line_errors():
        check_server_or_models(reached_by["server"], models)
        check_writable(json_file, html)
        try:
            delivery = Delivery(bit_rate_bit_per_s=bit_rate_kbit * 1e3)
        except ValueError as error:
            raise UsageError(str(error)) from error
        settings = CacheClientSettings.load(**reached_by, data=data)
        # Needed from here on only, and slow to import.
        from cache_client.cli.rationed_output import show_report, to_json
        from cache_client.cli.seen_plays import ReplayedPlays
        from cache_client.rationed import BUDGETS, compare_policies, read_offers
        from cache_client.rationed.policies import policies
        from cache_client.report.rationed import write_report
        from cache_client.simulator.child_server import server_command
        from data import plays, print_repairs, read_dataset

        dataset = read_dataset(settings.data_directory, lenient=lenient)
        print_repairs(dataset.repairs)
        offers = read_offers(plays(dataset), holdout=holdout, delivery=delivery)
        replayed = ReplayedPlays(dataset.digest, holdout, allow_refitted)
        own_server = server_command(settings.data_directory, models, lenient=lenient) if models else None
        asked = asyncio.run(_ask(offers, replayed, model, settings, own_server))
        by_name = policies(offers.all, asked.by_model, asked.advisor)
        with progress_bar("deciding", 2 * len(BUDGETS)) as advance:
            report = compare_policies(offers, by_name, seed=seed, advance=advance)
        if json_file != STANDARD_OUTPUT:
            show_report(report, asked.versions, asked.advisor)
        write_json(to_json(report, asked.versions, asked.advisor, holdout), json_file)
        if html is not None:
            write_report(html, report, asked.advisor)


async def _ask(
    offers: "Offers",
    replayed: "ReplayedPlays",
    model: str,
    settings: CacheClientSettings,
    own_server: list[str] | None,
) -> "Predictions":
    """Asks the server of the settings, or one that is started by a command, once its models are checked."""
    from cache_client.rationed.predictions import predict_offers, serving_models

    async with laboratory_client(settings, own_server) as client:
        serving = serving_models(await client.list_models(), model)
        replayed.check_unseen_by(serving)
        with progress_bar("predicting", len(serving) * len(offers.all)) as advance:
            return await predict_offers(
                client, offers.all, serving, concurrency=settings.concurrency, advance=advance
            )
