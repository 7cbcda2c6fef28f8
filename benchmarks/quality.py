"""Quality of every recipe's models on every split, beside the baselines and boosted trees on the same inputs.

Strangers come first: on the listener split every play is predicted by a model that never met its listener.

Example: python -m benchmarks.quality --data ../shared/data/v2 --json quality.json
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.quality_goals import Row, goals, goals_table
from data import DataError, Dataset, read_dataset
from trainer.errors import TrainingError
from trainer.recipes import RECIPES
from trainer.result_files import STDOUT, check_file, write_json
from trainer.settings import wait_passively

if TYPE_CHECKING:
    from trainer.evaluation.leaderboard import Leaderboard
    from trainer.options import Options
    from trainer.run import Trained

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_FEWEST_COLUMNS = 100


@app.command(epilog="Example: python -m benchmarks.quality --data ../shared/data/v2 --json quality.json")
def quality(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    recipe: Annotated[list[str] | None, typer.Option(help="Recipes to train; all by default.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="Splits to measure on; all by default.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of everything but the split.")] = 42,
    epochs: Annotated[int | None, typer.Option(min=1, help="Fewer epochs, for a quick try.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON; - is stdout.")
    ] = None,
) -> None:
    """Trains every model on every split and measures it on the test parts."""
    wait_passively()
    from trainer.options import Options, choose_device
    from trainer.progress import print_line
    from trainer.splits import Split, parse_split

    # Rich takes 80 columns where it cannot see a terminal, and would cut the figures.
    console = Console(stderr=json_file == STDOUT)
    console.width = max(console.width, _FEWEST_COLUMNS)
    errors = Console(stderr=True)
    rows: list[Row] = []
    try:
        check_file(json_file)
        dataset = read_dataset(data)
        chosen = choose_device(device)
        content = {"dataset": str(data), "digest": dataset.digest, "seed": seed, "rows": rows}
        for name in split or (Split.LISTENER, Split.RANDOM, Split.TEMPORAL):
            options = Options("", parse_split(name), chosen, seed, epochs)
            for row in measure_split(dataset, recipe or list(RECIPES), options, errors):
                rows.append(row)
                print_line(errors, _row_line(row))
                if json_file is not None and json_file != STDOUT:  # a run of an hour may be interrupted
                    write_json(json_file, content)
    except (DataError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    if any(row["split"] == Split.LISTENER for row in rows):
        console.print(strangers_table(rows))
    console.print(quality_table(rows, str(data)))
    found = goals(rows)
    console.print(goals_table(found))
    if json_file is not None:
        write_json(json_file, content | {"goals": [asdict(goal) for goal in found]})


def _row_line(row: Row) -> str:
    auc = "-" if row["roc_auc"] is None else f"{row['roc_auc']:.3f}"
    what = f"{row['split']}, {row['model']}, {row['recipe']}"
    return f"{what}: log loss {row['log_loss']:.3f}, AUC {auc}, accuracy {row['accuracy']:.2%}"


def measure_split(dataset: Dataset, recipes: list[str], options: "Options", errors: Console) -> Iterator[Row]:
    """Yields a row for each baseline and each model of each recipe; the models go to a passing registry."""
    from trainer.evaluation.leaderboard import Leaderboard
    from trainer.splits import split_dataset

    split, leaderboard = options.split.value, Leaderboard(split_dataset(dataset, options.split))
    for score in leaderboard.baselines():
        yield {"split": split, "recipe": "-", "model": score.name, **score.as_json()}
    for recipe in recipes:
        yield from measure_recipe(leaderboard, replace(options, recipe=recipe), errors)


def measure_recipe(leaderboard: "Leaderboard", options: "Options", errors: Console) -> Iterator[Row]:
    """Yields a row for each model of a recipe and, for the tuned one, for LightGBM on its inputs."""
    from models import Registry
    from trainer.progress import EpochBars, stage
    from trainer.run import choose_models, train_models

    recipe, common = options.recipe, {"split": options.split.value, "recipe": options.recipe}
    results: list[Trained] = []
    with TemporaryDirectory() as folder, EpochBars(errors) as bars:
        recipes, registry = choose_models([], recipe), Registry(Path(folder))
        for result in train_models(leaderboard.parts, registry, recipes, options, bars.start):
            results.append(result)
            score = leaderboard.model(result)
            sizes = {name: result.manifest.training[name] for name in ("n_train", "n_test")}
            run = {"device": options.device.type, "train_seconds": result.manifest.training["seconds"]}
            yield {**common, "model": score.name, **score.as_json(), **sizes, **run}
            bare = leaderboard.without_context(result)
            if bare is not None:
                yield {**common, "recipe": "no context", "model": result.name, **bare.as_json()}
    for result in results if recipe == "tuned" else ():
        with stage(errors, f"growing LightGBM on {result.name}'s inputs, {options.split.value} split"):
            trees = leaderboard.trees([result])
        for score in trees:  # none without LightGBM
            yield {**common, "recipe": "LightGBM", "model": result.name, **score.as_json()}


def strangers_table(rows: Sequence[Row]) -> Table:
    """Returns the log loss on strangers by how many of their plays were known, and over all plays."""
    strangers = [row for row in rows if row["split"] == "listener"]
    bands = strangers[0]["by_known_plays"]
    table = Table(title="strangers: log loss by plays known", box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for heading in ("model", "recipe"):
        table.add_column(heading, no_wrap=True)
    for heading in (*bands, "all"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_row("plays", "", *(f"{band['n']:,}" for band in bands.values()), "", end_section=True)
    for row in strangers:
        losses = [band["log_loss"] for band in row["by_known_plays"].values()]
        shown = ("-" if loss is None else f"{loss:.3f}" for loss in (*losses, row["log_loss"]))
        table.add_row(row["model"], row["recipe"], *shown)
    return table


def quality_table(rows: list[Row], title: str) -> Table:
    """Returns the rows as a table, a section a split.

    "By chance" is the range of the ECE in 95 of 100 draws of exactly right probabilities.
    """
    table = Table(title=f"{title}, test part", box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for heading in ("split", "model", "recipe"):
        table.add_column(heading, no_wrap=True)
    for heading in ("acc.", "AUC", "log loss", "Brier", "ECE", "by chance", "s"):
        table.add_column(heading, justify="right", no_wrap=True)
    last_split = None
    for row in rows:
        if row["split"] != last_split:
            table.add_section()
            last_split = row["split"]
        low, high = row["ece_by_chance_range95"]
        table.add_row(
            row["split"],
            row["model"],
            row["recipe"],
            f"{row['accuracy']:.2%}",
            "-" if row["roc_auc"] is None else f"{row['roc_auc']:.3f}",
            *(f"{row[name]:.3f}" for name in ("log_loss", "brier", "ece")),
            f"{low:.3f}-{high:.3f}",
            f"{row['train_seconds']:.1f}" if "train_seconds" in row else "",
        )
    return table


if __name__ == "__main__":
    app()
