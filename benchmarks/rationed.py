"""What a ration buys: one budget of bytes, for listeners whom the models know and for strangers."""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.console import Console

from cache_client import CacheClientError, Delivery, PredictionClient
from cache_client.cli.rationed_output import show_report, to_json
from cache_client.prefetch.plan import Objective
from cache_client.rationed import BUDGETS, Offers, RationedReport, compare_policies, read_offers
from cache_client.rationed.policies import policies
from cache_client.rationed.predictions import Predictions, predict_offers, serving_models
from cache_client.simulator.child_server import running_server, server_command
from data import DataError, Dataset, read_dataset
from trainer.errors import TrainingError
from trainer.settings import wait_passively

if TYPE_CHECKING:
    from trainer.splits import Parts

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

HOLDOUT = 0.2
EXPECTATIONS = (0.8, 1.25)
"""Wrong expectations of the bytes to come, divided by those that came."""

Reports = dict[str, RationedReport]


@app.command(epilog="Example: python -m benchmarks.rationed --data ../shared/data/v2")
def rationed(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    only: Annotated[
        str | None,
        typer.Option(
            help="One part: known (last fifth, listeners of the training part), strangers (the same plays by "
            "models without their listeners), or earlier (the fifth before, on which things were chosen)."
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="The model that the advisor asks.")] = "contextual",
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON.")
    ] = None,
) -> None:
    """Prints the figures that are claimed of rationed caching, and whether each goal is met."""
    wait_passively()
    console = Console()
    console.width = max(console.width, 100)
    parts = {"known": _known, "strangers": _strangers, "earlier": _earlier}
    if only is not None and only not in parts:
        raise typer.BadParameter(f"there are: {', '.join(parts)}", param_hint="--only")
    reports: Reports = {}
    found: dict[str, Any] = {}
    try:
        dataset = read_dataset(data)
        for part in [only] if only else ["known", "strangers"]:
            console.print(f"[bold]{part}[/bold]")
            offers, predictions = parts[part](data, dataset, model)
            by_name = policies(offers.all, predictions.by_model, predictions.advisor)
            reports[part] = compare_policies(offers, by_name)
            show_report(reports[part], predictions.versions, predictions.advisor)
            found[part] = to_json(reports[part], predictions.versions, predictions.advisor, HOLDOUT)
            found[part]["expectations"] = _expectations(console, offers, by_name)
            if json_file is not None:
                json_file.write_text(json.dumps(found, indent=2) + "\n")
    except (CacheClientError, DataError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    for promise, measured, met in goals(reports):
        console.print(f"{'met    ' if met else 'NOT MET'} {promise}: {measured}", highlight=False)


def goals(reports: Mapping[str, RationedReport]) -> Iterator[tuple[str, str, bool]]:
    """Yields (promise, what was measured, whether that keeps it) for each part that ran."""
    for part, report in reports.items():
        for budget in (0.25, 0.5):
            less = report.gains[budget][Objective.BYTES]["advisor"].less_waste
            clear = less.low > 0 or budget != 0.5
            promise = f"{part}: at {budget:.0%} 20 % less waste than by the past rate"
            if budget == 0.5:
                promise += ", clear of 0"
            yield promise, _percent(less), less.value >= 0.2 and clear
        share = report.gains[0.5][Objective.PLAYS]["advisor"].share_of_oracle
        yield (
            f"{part}: at 50% 65 % of the oracle's gain in plays covered",
            _percent(share),
            share.value >= 0.65,
        )


def _percent(found: tuple[float, float, float]) -> str:
    value, low, high = found
    return f"{value:.1%} ({low:.1%} to {high:.1%})"


def _expectations(console: Console, offers: Offers, by_name: Any) -> dict[str, Any]:
    """Returns, and prints, what the advisor buys when the bytes to come were misjudged."""
    found: dict[str, Any] = {}
    advisor = {name: by_name[name] for name in ("past-rate", "advisor")}
    for expected in EXPECTATIONS:
        report = compare_policies(offers, advisor, expected=expected)
        by_budget = {}
        for budget in BUDGETS:
            waste, plays = (report.figures[budget][it]["advisor"] for it in Objective)
            by_budget[f"{budget:g}"] = {
                "wasted_ratio": waste.wasted_ratio.value,
                "completed_covered": plays.completed_covered.value,
                "spent_ratio": plays.spent_ratio,
            }
        found[f"{expected:g}"] = by_budget
        half = by_budget["0.5"]
        console.print(
            f"{expected:g} of the bytes expected, at 50 %: advisor wastes {half['wasted_ratio']:.1%}, covers "
            f"{half['completed_covered']:.1%}, spends {half['spent_ratio']:.1%} of the budget",
            highlight=False,
        )
    return found


def _known(data: Path, dataset: Dataset, model: str) -> tuple[Offers, Predictions]:
    """Returns the last fifth, and what models of the plays before it say."""
    from trainer.splits import Split, split_dataset

    parts = split_dataset(dataset, Split.TEMPORAL)
    offers = _offers(parts.plays)
    return offers, _ask_trained(data, parts, offers, [], model)


def _earlier(data: Path, dataset: Dataset, model: str) -> tuple[Offers, Predictions]:
    """Returns the fifth before the last, and what models of the plays before that say."""
    from trainer.splits import Parts, plays_of_known_tracks

    plays = plays_of_known_tracks(dataset)
    rows = np.arange(round(len(plays) * (1 - HOLDOUT)))
    first = round(len(plays) * (1 - 2 * HOLDOUT))
    offers = _offers(plays.iloc[rows], HOLDOUT / (1 - HOLDOUT))
    return offers, _ask_trained(data, Parts(dataset, plays, rows[:first], rows[first:]), offers, [], model)


def _strangers(data: Path, dataset: Dataset, model: str) -> tuple[Offers, Predictions]:
    """Returns the last fifth, each play predicted by a model that has seen nothing of its listener.

    The folds are those of the trainer's `--split listener`; the models learn from the other listeners' plays
    before the last fifth only.
    """
    from trainer.splits import Parts, Split, split_dataset

    plays = split_dataset(dataset, Split.TEMPORAL).plays
    before = np.arange(len(plays)) < round(len(plays) * (1 - HOLDOUT))
    offers = _offers(plays)
    answers: list[Any] = [None] * len(offers.all)
    predictions = None
    for fold in split_dataset(dataset, Split.LISTENER).turns:
        test = fold.test_rows[~before[fold.test_rows]]
        part = Parts(dataset, plays, fold.training_rows[before[fold.training_rows]], test)
        strangers = set(plays["listener_id"].iloc[fold.test_rows])
        places = [place for place, it in enumerate(offers.all) if it.listener_id in strangers]
        theirs = replace(offers, all=tuple(offers.all[place] for place in places))
        predictions = _ask_trained(data, part, theirs, [model], model)
        for place, answer in zip(places, predictions.by_model[model], strict=True):
            answers[place] = answer
    assert predictions is not None
    return offers, replace(predictions, by_model={model: answers})


def _offers(plays: pd.DataFrame, holdout: float = HOLDOUT) -> Offers:
    return read_offers(plays, holdout=holdout, delivery=Delivery())


def _ask_trained(data: Path, parts: "Parts", offers: Offers, names: list[str], model: str) -> Predictions:
    """Trains models, serves them, and asks them for the offers."""
    from models import Registry
    from trainer.options import Options, choose_device
    from trainer.run import choose_models, train_models
    from trainer.splits import Split

    options = Options("tuned", Split.TEMPORAL, choose_device("auto"))
    with TemporaryDirectory() as folder:
        recipes = choose_models(names, options.recipe)
        for trained in train_models(parts, Registry(Path(folder)), recipes, options, _silent):
            print(f"trained {trained.name} on {len(parts.training_rows):,} plays", file=sys.stderr)
        return asyncio.run(_ask(server_command(data, Path(folder)), offers, model))


async def _ask(command: list[str], offers: Offers, model: str) -> Predictions:
    async with (
        running_server(command, 120.0) as target,
        PredictionClient(target, deadline_s=30.0) as client,
    ):
        return await predict_offers(client, offers.all, serving_models(await client.list_models(), model))


def _silent(name: str, epochs: int) -> Any:
    """Returns a callback of epochs that shows nothing."""
    return lambda *epoch: None


if __name__ == "__main__":
    app()
