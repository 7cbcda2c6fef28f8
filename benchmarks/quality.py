"""Quality of every recipe's models on both splits, beside the baselines and boosted trees on the same inputs.

Example: python benchmarks/quality.py --data ../shared/data/v2 --json quality.json
"""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.goals.quality import goals, goals_table
from data import DataError, Dataset, read_dataset
from trainer.errors import TrainingError
from trainer.output import STDOUT, check_file, write_json
from trainer.recipes import RECIPES
from trainer.settings import wait_passively

if TYPE_CHECKING:
    from trainer.run import Options

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

Row = dict[str, Any]
_FEWEST_COLUMNS = 100


@app.command(epilog="Example: python benchmarks/quality.py --data ../shared/data/v2 --json quality.json")
def quality(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    recipe: Annotated[list[str] | None, typer.Option(help="Recipes to train; all by default.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="Splits to measure on; both by default.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of everything but the split.")] = 42,
    epochs: Annotated[int | None, typer.Option(min=1, help="Fewer epochs, for a quick try.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON; - is stdout.")
    ] = None,
) -> None:
    """Trains every model on both splits and measures it on the test parts."""
    wait_passively()
    from trainer.device import choose_device
    from trainer.run import Options
    from trainer.splitting import Split, parse_split

    # Rich takes 80 columns where it cannot see a terminal, and would cut the figures.
    console = Console(stderr=json_file == STDOUT)
    console.width = max(console.width, _FEWEST_COLUMNS)
    rows: list[Row] = []
    try:
        check_file(json_file)
        dataset = read_dataset(data)
        chosen = choose_device(device)
        for name in split or Split:
            options = Options("", parse_split(name), chosen, seed, epochs)
            rows.extend(measure_split(dataset, recipe or list(RECIPES), options))
    except (DataError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    console.print(quality_table(rows, str(data)))
    found = goals(rows)
    console.print(goals_table(found))
    content = {"dataset": str(data), "digest": dataset.digest, "seed": seed, "rows": rows}
    if json_file is not None:
        write_json(json_file, content | {"goals": [asdict(goal) for goal in found]})


def measure_split(dataset: Dataset, recipes: list[str], options: "Options") -> Iterator[Row]:
    """Yields a row for each baseline and each model of each recipe; the models go to a passing registry."""
    from trainer.run import split_dataset
    from trainer.scores import baseline_scores

    split, parts = options.split.value, split_dataset(dataset, options)
    for score in baseline_scores(parts):
        yield {"split": split, "recipe": "-", "model": score.name, **score.as_json()}
    for recipe in recipes:
        yield from measure_recipe(dataset, recipe, options)


def measure_recipe(dataset: Dataset, recipe: str, options: "Options") -> Iterator[Row]:
    """Yields a row for each model of a recipe and, for the tuned one, for LightGBM on its inputs."""
    from dataclasses import replace

    from models import Registry
    from trainer.progress import EpochBars
    from trainer.run import choose_models, split_dataset, train_models
    from trainer.scores import model_scores, tree_scores, without_context_score

    options = replace(options, recipe=recipe)
    parts, common = split_dataset(dataset, options), {"split": options.split.value, "recipe": recipe}
    with TemporaryDirectory() as folder, EpochBars(Console(stderr=True)) as bars:
        registry = Registry(Path(folder))
        results = list(train_models(dataset, registry, choose_models([], recipe), options, bars.start))
        for result, score in zip(results, model_scores(results, parts), strict=True):
            sizes = {"n_train": result.n_train, "n_test": result.n_test, "device": options.device.type}
            seconds = {"train_seconds": round(result.train_seconds, 3)}
            yield {**common, "model": score.name, **score.as_json(), **sizes, **seconds}
            bare = without_context_score(result, parts, registry)
            if bare is not None:
                yield {**common, "recipe": "no context", "model": score.name, **bare.as_json()}
        if recipe == "tuned":
            trees = tree_scores(results, parts, registry)
            for result, score in zip(results, trees, strict=False):  # No trees without LightGBM.
                yield {**common, "recipe": "LightGBM", "model": result.name, **score.as_json()}


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
