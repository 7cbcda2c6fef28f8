"""Quality of the models on a data set, for each recipe and split, beside the majority class.

Example: python benchmarks/quality.py --data ../shared/data/v2 --json quality.json
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from data import DataError, Dataset, read_dataset
from trainer.errors import TrainingError
from trainer.recipes import RECIPES
from trainer.settings import wait_passively

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

Row = dict[str, str | int | float | None]


@app.command(epilog="Example: python benchmarks/quality.py --data ../shared/data/v2 --json quality.json")
def quality(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    recipe: Annotated[list[str] | None, typer.Option(help="Recipes to train; all by default.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything but the split.")] = 42,
    epochs: Annotated[int | None, typer.Option(min=1, help="Fewer epochs, for a quick try.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON; - is stdout.")
    ] = None,
) -> None:
    """Trains every model on both splits and measures it on the test parts."""
    wait_passively()
    console = Console(stderr=json_file == Path("-"))
    try:
        dataset = read_dataset(data)
        rows = [
            row for name in recipe or RECIPES for row in measure_recipe(dataset, name, device, seed, epochs)
        ]
    except (DataError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    console.print(quality_table(rows, str(data)))
    text = json.dumps({"dataset": str(data), "digest": dataset.digest, "seed": seed, "rows": rows}, indent=2)
    if json_file == Path("-"):
        print(text)
    elif json_file is not None:
        json_file.write_text(text + "\n")


def measure_recipe(dataset: Dataset, recipe: str, device: str, seed: int, epochs: int | None) -> list[Row]:
    """Returns one row a model and split, trained into a registry that is thrown away."""
    from models import Registry
    from trainer.device import choose_device
    from trainer.progress import EpochBars
    from trainer.run import Options, choose_models, train_models
    from trainer.splitting import Split

    rows: list[Row] = []
    for split in Split:
        options = Options(recipe, split, choose_device(device), seed, epochs)
        with TemporaryDirectory() as folder, EpochBars(Console(stderr=True)) as bars:
            models = choose_models([], recipe)
            for trained in train_models(dataset, Registry(Path(folder)), models, options, bars.start):
                rows.append(
                    {
                        "split": split.value,
                        "recipe": recipe,
                        "model": trained.name,
                        **asdict(trained.metrics),
                        "n_train": trained.n_train,
                        "n_test": trained.n_test,
                        "train_seconds": round(trained.train_seconds, 3),
                        "device": options.device.type,
                    }
                )
    return rows


def quality_table(rows: list[Row], title: str) -> Table:
    """Returns the rows as a table, the majority class first in each split."""
    table = Table(title=f"{title}, test part", box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for heading in ("split", "model", "recipe"):
        table.add_column(heading, no_wrap=True)
    for heading in ("accuracy", "AUC", "log loss", "Brier", "ECE", "s"):
        table.add_column(heading, justify="right", no_wrap=True)
    last_split = None
    for row in sorted(rows, key=lambda row: str(row["split"])):  # Stable: recipes stay in their order.
        split = str(row["split"])
        if split != last_split:
            table.add_section()
            table.add_row(split, "majority", "-", f"{row['majority_accuracy']:.2%}")
            last_split = split
        table.add_row(
            split,
            str(row["model"]),
            str(row["recipe"]),
            f"{row['accuracy']:.2%}",
            "-" if row["roc_auc"] is None else f"{row['roc_auc']:.3f}",
            *(f"{row[name]:.3f}" for name in ("log_loss", "brier", "ece")),
            f"{row['train_seconds']:.1f}",
        )
    return table


if __name__ == "__main__":
    app()
