"""Quality of every recipe's models on both splits, beside the baselines and boosted trees on the same inputs.

Example: python -m benchmarks.quality --data ../shared/data/v2 --json quality.json
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from data import DataError, Dataset, read_dataset
from trainer.errors import TrainingError
from trainer.recipes import RECIPES
from trainer.result_files import STDOUT, check_file, write_json
from trainer.settings import wait_passively

if TYPE_CHECKING:
    from trainer.options import Options
    from trainer.splits import Parts

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

Row = dict[str, Any]
_FEWEST_COLUMNS = 100
_NAMES = {
    "accuracy": "accuracy", "roc_auc": "AUC", "log_loss": "log loss", "brier": "Brier", "ece": "ECE",
}  # fmt: skip
# Split, model, metric, whether it is a least value, value.
_FLOORS = (
    ("random", "simple", "accuracy", True, 0.778),
    ("random", "advanced", "accuracy", True, 0.784),
    ("random", "contextual", "accuracy", True, 0.790),
    ("random", "contextual", "roc_auc", True, 0.830),
    ("temporal", "contextual", "roc_auc", True, 0.812),
    ("temporal", "contextual", "brier", False, 0.162),
)
_LARGEST_ECE = {"random": 0.02, "temporal": 0.04}


@dataclass(frozen=True)
class Goal:
    """One value that a model is to reach.

    Attributes:
        split: Split that it is measured on.
        model: Model.
        wanted: The goal, for people.
        found: What was measured; None where it could not be.
        met: Whether the goal is reached.
    """

    split: str
    model: str
    wanted: str
    found: float | None
    met: bool


@app.command(epilog="Example: python -m benchmarks.quality --data ../shared/data/v2 --json quality.json")
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
    from trainer.options import Options, choose_device
    from trainer.splits import Split, parse_split

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
    from trainer.evaluation.leaderboard import baseline_scores
    from trainer.splits import split_dataset

    split, parts = options.split.value, split_dataset(dataset, options.split)
    for score in baseline_scores(parts):
        yield {"split": split, "recipe": "-", "model": score.name, **score.as_json()}
    for recipe in recipes:
        yield from measure_recipe(parts, replace(options, recipe=recipe))


def measure_recipe(parts: "Parts", options: "Options") -> Iterator[Row]:
    """Yields a row for each model of a recipe and, for the tuned one, for LightGBM on its inputs."""
    from models import Registry
    from trainer.evaluation.leaderboard import model_scores, tree_scores, without_context_score
    from trainer.progress import EpochBars
    from trainer.run import choose_models, train_models

    recipe, common = options.recipe, {"split": options.split.value, "recipe": options.recipe}
    with TemporaryDirectory() as folder, EpochBars(Console(stderr=True)) as bars:
        registry = Registry(Path(folder))
        results = list(train_models(parts, registry, choose_models([], recipe), options, bars.start))
        for result, score in zip(results, model_scores(results, parts), strict=True):
            sizes = {"n_train": len(parts.training_rows), "n_test": len(parts.test_rows)}
            run = {"device": options.device.type, "train_seconds": result.manifest.training["seconds"]}
            yield {**common, "model": score.name, **score.as_json(), **sizes, **run}
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


def goals(rows: Sequence[Row]) -> list[Goal]:
    """Returns every goal of the tuned models that the rows can tell of."""
    found = {(row["split"], row["model"], row["recipe"]): row for row in rows}
    return [goal for key, row in found.items() if key[2] == "tuned" for goal in _goals_of(row, found)]


def _goals_of(row: Row, found: Mapping[tuple[str, str, str], Row]) -> Iterator[Goal]:
    split, model = row["split"], row["model"]
    for its_split, its_model, metric, least, bound in _FLOORS:
        if (its_split, its_model) == (split, model):
            yield _goal(row, metric, least, bound)
    yield _goal(row, "ece", False, _LARGEST_ECE[split])
    trees = found.get((split, model, "LightGBM"))
    if trees is not None:
        yield _goal(row, "accuracy", True, trees["accuracy"] - 0.01, "LightGBM's less a point")
        yield _goal(row, "log_loss", False, trees["log_loss"] + 0.01, "LightGBM's and 0.01")
        yield _goal(row, "log_loss", False, trees["log_loss"], "LightGBM's, the target")
    bare, advanced = found.get((split, model, "no context")), found.get((split, "advanced", "tuned"))
    if bare is not None and advanced is not None:
        yield _goal(bare, "log_loss", False, advanced["log_loss"], "advanced's, without context")


def _goal(row: Row, metric: str, least: bool, bound: float, source: str = "") -> Goal:
    wanted = f"{_NAMES[metric]} {'≥' if least else '≤'} {bound:.4f}{f' ({source})' if source else ''}"
    value = row[metric]
    met = value is not None and (value >= bound if least else value <= bound)
    return Goal(row["split"], row["model"], wanted, value, met)


def goals_table(found: Sequence[Goal]) -> Table:
    """Returns one line a goal."""
    n_met = sum(goal.met for goal in found)
    title = f"goals: {n_met} of {len(found)} met"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for heading in ("split", "model", "goal", "measured", "met"):
        table.add_column(heading, justify="right" if heading == "measured" else "left")
    for goal in found:
        measured = "-" if goal.found is None else f"{goal.found:.4f}"
        table.add_row(goal.split, goal.model, goal.wanted, measured, "yes" if goal.met else "NO")
    return table


if __name__ == "__main__":
    app()
