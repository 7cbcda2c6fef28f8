"""The command line of the trainer."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from data.settings import SettingsError
from data.terminal import INTERRUPTED
from trainer.errors import TrainingError
from trainer.recipes import DEFAULT_RECIPE, RECIPES
from trainer.result_files import STDOUT, check_file, check_folder, write_json
from trainer.settings import TrainerSettings, wait_passively

if TYPE_CHECKING:
    from trainer.run import Trained

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")


@app.command(epilog="Example: python -m trainer simple advanced --data data/sample --models models/registry")
def train(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Models to train; all by default.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the data set.", show_default="data/$DATA_VERSION")
    ] = None,
    models_dir: Annotated[
        Path | None, typer.Option("--models", help="Registry to export to.", show_default="models/registry")
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            help="How the test part is chosen: random, temporal (the last fifth by time) or listener (every "
            "listener is tested by models that never met them; takes six times as long)."
        ),
    ] = "random",
    recipe: Annotated[str, typer.Option(help=f"How to train: {' or '.join(RECIPES)}.")] = DEFAULT_RECIPE,
    device: Annotated[
        str | None,
        typer.Option(help="auto, cpu or cuda; CUDA_USE_GPU=0 or 1 chooses likewise.", show_default="auto"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of everything but the split.")] = 42,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Fewer epochs than the recipe's, and no teacher: a quick try.")
    ] = None,
    data_licence: Annotated[str, typer.Option(help="Licence of the data set, noted in the artifacts.")] = (
        "unspecified"
    ),
    refit: Annotated[
        bool,
        typer.Option(
            "--refit",
            help="Train what is exported on all plays, once a model of the training part is measured.",
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Keep the models that this very run exported before it was interrupted."
        ),
    ] = False,
    html_file: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a report of the run as one HTML page."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON; - is stdout.")
    ] = None,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Repair what needs no guess, and list on stderr what was done.")
    ] = False,
) -> None:
    """Trains models on a data set's plays and exports each as the next version."""
    wait_passively()
    # Late, so that --help and a mistyped flag answer at once.
    from data import DataError, print_repairs, read_dataset
    from models import ArtifactError, Registry
    from trainer.evaluation.leaderboard import Leaderboard
    from trainer.options import Options, choose_device
    from trainer.progress import EpochBars, stage
    from trainer.report.table import known_plays_table, results_content, results_table
    from trainer.run import choose_models, train_models
    from trainer.splits import Split, parse_split, split_dataset

    errors = Console(stderr=True)
    results: list[Trained] = []
    try:
        settings = TrainerSettings.load()
        directory, registry = data or settings.data_directory, Registry(models_dir or settings.models)
        recipes, chosen = choose_models(models or [], recipe), choose_device(device or settings.device)
        options = Options(recipe, parse_split(split), chosen, seed, epochs, data_licence, refit, resume)
        options.check()
        check_folder(registry.root)
        check_file(html_file)
        check_file(json_file)
        with stage(errors, f"reading {directory}"):
            dataset = read_dataset(directory, lenient=lenient)
        print_repairs(dataset.repairs)
        parts = split_dataset(dataset, options.split)
        with EpochBars(errors) as bars:
            results.extend(train_models(parts, registry, recipes, options, bars.start))
        leaderboard = Leaderboard(parts)
        if html_file is not None:
            with stage(errors, f"writing {html_file}"):
                # Late, for few runs load the charts.
                from trainer.report.page import write_report

                write_report(html_file, results, leaderboard, options, f"Models of {directory}")
        title = f"{recipe} recipe, {split} split, {chosen.type}"
        console = errors if json_file == STDOUT else Console()
        if options.split is Split.LISTENER:
            console.print(known_plays_table(results, leaderboard))
        console.print(results_table(results, title))
        if json_file is not None:
            content = {"dataset": str(directory), "split": split, "recipe": recipe, "device": chosen.type}
            write_json(json_file, content | results_content(results, leaderboard))
    except (SettingsError, TrainingError, DataError, ArtifactError) as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _fail("interrupted: the models exported so far stay; --resume trains the others only", INTERRUPTED)


def _fail(message: str, code: int = 1) -> None:
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(code)
